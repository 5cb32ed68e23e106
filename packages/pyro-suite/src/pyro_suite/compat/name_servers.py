"""What name servers need that a program serves itself: broadcasts, cleaning up."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import threading
from concurrent.futures import Future
from selectors import EVENT_READ
from typing import TYPE_CHECKING, Final, Self

from pyro_naming.broadcast import answer_to
from pyro_protocol.errors import CommunicationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_naming.autoclean import AutoCleaner
    from pyro_protocol import URI

__all__ = ["BroadcastServer", "Cleaning"]

_REQUEST: Final = b"GET_NSURI"
# To tell a request from what is longer than one.
_RECEIVE_SIZE: Final = 100
_HASTE_SECONDS: Final = 0.5


class BroadcastServer:
    """Answers the broadcasts of programs that look for the name server.

    Args:
        uri: the URI to tell.
        host: the address to listen on; empty for all interfaces.
        port: the UDP port; 0 lets the system choose.
        reuse: whether the port may be one that is in use.

    Raises:
        CommunicationError: the address cannot be listened on.
    """

    # How often its thread looks at `running`, which `close` has it do anyway.
    _poll_seconds: float | None = None

    def __init__(self, uri: URI, host: str, port: int, *, reuse: bool = False) -> None:
        self.nsUri: URI = uri
        self.sock: socket.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if reuse:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((host, port))
        except OSError as error:
            self.sock.close()
            raise CommunicationError(
                f"cannot listen for broadcasts on {host}:{port}: {error}"
            ) from error
        self._thread: threading.Thread | None = None
        self._waking, self._woken = socket.socketpair()
        self.running: bool = True

    @property
    def locationStr(self) -> str:
        """The address it listens on."""
        host, port = self.sock.getsockname()[:2]
        return f"{host}:{port}"

    def getPort(self) -> int:  # noqa: N802 - the documented name
        """Return the UDP port it listens on."""
        port: int = self.sock.getsockname()[1]
        return port

    def fileno(self) -> int:
        """Return the number of its socket, for ``select`` and its kin."""
        return self.sock.fileno()

    def processRequest(self) -> None:  # noqa: N802 - the documented name
        """Take one datagram, waiting for it if need be, and answer a request."""
        # None may come in time, and an answer that is lost is asked for again.
        with contextlib.suppress(OSError):
            data, asker = self.sock.recvfrom(_RECEIVE_SIZE)
            uri = answer_to(asker, self.nsUri) if data == _REQUEST else None
            if uri is not None:
                self.sock.sendto(str(uri).encode("iso-8859-1", "replace"), asker)

    def runInThread(self) -> threading.Thread:  # noqa: N802 - the documented name
        """Answer from now on, in a thread of its own, which is returned."""
        if self._thread is None:
            # What made the socket ready may turn out to be nothing.
            self.sock.settimeout(_HASTE_SECONDS)
            self._thread = threading.Thread(
                target=self._run, name="pyro broadcast server", daemon=True
            )
            self._thread.start()
        return self._thread

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, EVENT_READ)
            selector.register(self._woken, EVENT_READ)
            while self.running:
                ready = [key.fileobj for key, _ in selector.select(self._poll_seconds)]
                if self.sock in ready:
                    self.processRequest()
        self._release()

    def _release(self) -> None:
        for sock in (self.sock, self._waking, self._woken):
            sock.close()

    def close(self) -> None:
        """Stop answering; harmless if it has."""
        self.running = False
        if self._thread is None:
            self._release()
        elif self._thread is not threading.current_thread():
            # Its thread may have ended by itself.
            with contextlib.suppress(OSError):
                self._waking.send(b"!")
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


class Cleaning:
    """Removes the names of servers that are gone, in a thread of its own.

    Args:
        cleaner: what goes round.
    """

    def __init__(self, cleaner: AutoCleaner) -> None:
        self._cleaner = cleaner
        self._started: Future[Callable[[], object]] = Future()
        self._thread = threading.Thread(
            target=self._run, name="pyro name cleaning", daemon=True
        )

    def start(self) -> None:
        """Go round from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, if it was started, and wait until that is done."""
        if self._thread.is_alive():
            self._started.result()()
            self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._clean())

    async def _clean(self) -> None:
        cleaning = asyncio.create_task(self._cleaner.run())
        loop = asyncio.get_running_loop()
        self._started.set_result(lambda: loop.call_soon_threadsafe(cleaning.cancel))
        await cleaning
