"""A worker process of ``pyro-serve``, started by its supervisor.

Its arguments are its number, the descriptors of the connection to the supervisor and
of the listening socket, and the options.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import PyroError

from .alone import make_daemon, register_objects
from .logs import start_logging
from .options import ServeOptions
from .reloading import ImportedFiles
from .reports import Failed, Imported, Ready, Report, encode_report
from .steering import Steering
from .targets import TargetError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_logger = logging.getLogger("pyro.serve")

# People do not import by hand; a moment later is soon enough.
_IMPORTS_SECONDS: Final = 0.5


def main(args: Sequence[str]) -> int:
    """Serve as the supervisor wishes, and return the exit status.

    Args:
        args: the arguments.
    """
    number, channel, listener, text = args
    options = ServeOptions.from_json(text)
    start_logging(options, f"worker {number}, pid {os.getpid()}")
    with (
        _inherited(int(channel)) as supervisor,
        _inherited(int(listener)) as sock,
    ):
        sock.setblocking(False)  # noqa: FBT003 - the name tells
        try:
            return 0 if _Worker(options, supervisor).serve(sock) else 1
        except KeyboardInterrupt:
            # Before it was ready.
            return 0
        except BrokenPipeError:
            _logger.warning("the supervisor is gone")
            return 1


def _inherited(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    # Not for the programs that the objects may start: the end of this connection
    # has to mean the end of this process.
    sock.set_inheritable(False)
    return sock


class _Worker:
    """What one worker process does."""

    def __init__(self, options: ServeOptions, supervisor: socket.socket) -> None:
        self._options = options
        self._supervisor = supervisor
        self._sending = threading.Lock()
        self._imported = ImportedFiles() if options.reload else None
        self._ended = threading.Event()

    def serve(self, sock: socket.socket) -> bool:
        """Serve until the supervisor ends it; what prevents it is reported.

        Returns:
            Whether it could serve.

        Raises:
            KeyboardInterrupt: it was ended before it was ready.
            BrokenPipeError: the supervisor is gone.
        """
        if self._imported is not None:
            # Two edits within a second may leave a file that says it is up to date.
            sys.dont_write_bytecode = True
        sys.path.insert(0, str(Path.cwd()))
        with Steering(self._options.drain, supervisor=self._supervisor) as steering:
            try:
                self._serve(sock, steering)
            except TargetError as error:
                if self._imported is not None:
                    cause = error.__cause__ or error
                    self._send(Imported(self._imported.of_failure(cause)))
                    self._report_imported()
                self._send(Failed(str(error), error.details))
            except (PyroError, OSError, ValueError) as error:
                self._report_imported()
                self._send(Failed(str(error)))
            else:
                return True
            finally:
                self._ended.set()
        return False

    def _serve(self, sock: socket.socket, steering: Steering) -> None:
        """Serve, or raise what prevents it."""
        objects = self._options.load_objects()
        settings = self._options.settings()
        with make_daemon(self._options, settings, sock) as daemon:
            uris = register_objects(daemon, objects)
            steering.steer(daemon)
            self._report_imported()
            self._send(Ready({name: str(uri) for name, uri in uris.items()}))
            if self._imported is not None:
                threading.Thread(
                    target=self._watch_imports, name="pyro-imports", daemon=True
                ).start()
            daemon.requestLoop()

    def _send(self, report: Report) -> None:
        with self._sending:
            self._supervisor.sendall(encode_report(report))

    def _report_imported(self) -> None:
        """Tell the supervisor of files that were imported since the last time."""
        if self._imported is not None and (files := self._imported.new()):
            self._send(Imported(files))

    def _watch_imports(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ended.wait(_IMPORTS_SECONDS):
                self._report_imported()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
