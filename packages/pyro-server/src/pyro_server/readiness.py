"""Saying that everything is served: to people, programs and service managers."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyro_protocol import URI

    from .options import ServeOptions
    from .systemd import Notifier

__all__ = ["Readiness"]


class Readiness:
    """Announces, once, that the objects can be called, in all the ways asked for.

    A program that waits gets one line of JSON with the process id and the URIs by
    name, on ``--ready-fd``, which is closed then, or in ``--ready-file``, which is
    complete as soon as it exists. Another thread may say meanwhile that it ends: then
    nobody else is told that it was ready.

    Args:
        options: the ways.
        notifier: the service manager.
    """

    def __init__(self, options: ServeOptions, notifier: Notifier) -> None:
        self._descriptor = options.ready_fd
        self._file = Path(options.ready_file) if options.ready_file else None
        self._notifier = notifier
        self._announced = False
        self._withdrawn = False
        self._changing = threading.Lock()

    def prepare(self) -> None:
        """Remove a file that an earlier process has left, and check the descriptor.

        Raises:
            OSError: there is no such descriptor, or the file cannot be removed.
        """
        if self._descriptor is not None:
            os.fstat(self._descriptor)
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def announce(self, uris: Mapping[str, URI | str]) -> None:
        """Say that these are served.

        Raises:
            OSError: the file cannot be written.
        """
        for name, uri in uris.items():
            print(f"{name} -> {uri}")  # noqa: T201 - the documented output
        print("Pyro daemon running.", flush=True)  # noqa: T201 - likewise
        found = {name: str(uri) for name, uri in uris.items()}
        line = json.dumps({"pid": os.getpid(), "uris": found}) + "\n"
        with self._changing:
            # Who has read the lines may have ended it since.
            if self._withdrawn:
                return
            self._announced = True
            if self._file is not None:
                part = self._file.with_name(f".{self._file.name}.{os.getpid()}")
                part.write_text(line)
                part.replace(self._file)
            self._notifier.ready(f"serving {', '.join(uris)}")
        # Not among these: whoever does not read it must not hold up the end.
        self._tell_descriptor(line)

    def _tell_descriptor(self, line: str) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            # Whoever was to read may have gone meanwhile.
            with (
                contextlib.suppress(BrokenPipeError),
                open(descriptor, "w") as stream,  # noqa: PTH123 - a descriptor has no path
            ):
                stream.write(line)

    def withdraw(self) -> None:
        """Say that it ends; harmless if it was not ready, or has said so."""
        with self._changing:
            self._withdrawn = True
            announced, self._announced = self._announced, False
            if announced:
                self._notifier.stopping()
                self.remove_file()

    def remove_file(self) -> None:
        """Remove the file that says so."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.unlink(missing_ok=True)
