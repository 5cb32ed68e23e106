"""A whole name server in a thread of its own, for programs without event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, Self

from pyro_protocol import NAMESERVER_NAME, URI, Configuration, config

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from .asyncio_daemon import AsyncNameServerDaemon
    from .broadcast import BroadcastServer
    from .name_server import NameServer

__all__ = ["NameServerDaemon"]

# A poll time of zero would keep a processor busy doing nothing.
_SHORTEST_POLL_SECONDS: Final = 0.01


def _always() -> bool:
    return True


class NameServerDaemon:
    """A name server that serves from now on, in a background thread.

    `requestLoop` only waits, so a program may call it, as in Pyro5, or do something
    else meanwhile. `shutdown`, `close` and the end of a ``with`` block end the
    server, and may be called from any thread. A program that ends without that
    ends the server too.

    Args:
        daemon: the name server, not started yet.
        config: the settings.

    Raises:
        CommunicationError: an address cannot be listened on.
    """

    def __init__(
        self, daemon: AsyncNameServerDaemon, *, config: Configuration = config
    ) -> None:
        self._daemon = daemon
        self._poll = max(config.POLLTIMEOUT, _SHORTEST_POLL_SECONDS)
        self._ended = threading.Event()
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(
            target=self._run, name="pyro name server", daemon=True
        )
        self._thread.start()
        try:
            self._loop = self._started.result()
        except BaseException:
            self._thread.join()
            raise

    def requestLoop(self, loopCondition: Callable[[], bool] = _always) -> None:
        """Wait until the server is shut down, or a condition no longer holds.

        Ctrl-C ends the waiting too. The server itself goes on until `shutdown`.

        Args:
            loopCondition: asked every ``config.POLLTIMEOUT`` seconds.
        """
        with contextlib.suppress(KeyboardInterrupt):
            while loopCondition() and not self._ended.wait(self._poll):
                pass

    def shutdown(self) -> None:
        """End the server and wait until it has ended; harmless if it has."""
        # A loop that has ended takes no more calls.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def close(self) -> None:
        """End the server and wait until it has ended; harmless if it has."""
        self.shutdown()

    def uriFor(self, objectOrId: object, nat: bool = True) -> URI:
        """Return the URI of the name server object, or of any id at this server.

        Args:
            objectOrId: the id, or the name server object.
            nat: whether the published location is wanted, if there is one.
        """
        object_id = objectOrId if isinstance(objectOrId, str) else NAMESERVER_NAME
        return self._daemon.uri_for(object_id, nat=nat)

    @property
    def nameserver(self) -> NameServer:
        """The registrations, for use in this process and from any thread."""
        return self._daemon.name_server

    @property
    def locationStr(self) -> str:
        """The location listened on, as in a URI."""
        return self._daemon.location

    @property
    def natLocationStr(self) -> str | None:
        """The location published instead, or None."""
        return self._daemon.nat_location

    @property
    def sock(self) -> socket.socket | None:
        """The listening socket."""
        return self._daemon.sock

    @property
    def broadcast(self) -> BroadcastServer | None:
        """What answers broadcasts, or None."""
        return self._daemon.broadcast

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ended.set()

    async def _serve(self) -> None:
        try:
            await self._daemon.start()
        except BaseException as error:  # noqa: BLE001 - raised where it belongs
            self._started.set_exception(error)
            return
        self._started.set_result(asyncio.get_running_loop())
        await self._stop.wait()
        await self._daemon.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._ended.is_set() else "serving"
        return f"<{type(self).__name__} at {self.locationStr}, {state}>"
