"""An asyncio host in a thread of its own: a server with pyro-protocol alone."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pyro_protocol.config import Configuration
from pyro_protocol.transport import AsyncioHost

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pyro_protocol import URI
    from pyro_protocol.dispatch import ClientConnection

__all__ = ["DEADLINE", "HostThread"]

DEADLINE: Final = 40.0
"""How many seconds a test waits for what takes milliseconds on an idle machine."""

T = TypeVar("T")


class HostThread:
    """An `AsyncioHost` that serves in a thread until `stop`.

    Args:
        host: where to listen.
        port: the TCP port; 0 lets the system choose.
        unixsocket: the path of a Unix socket to listen on instead.
        config: the settings; the built-in ones if left out.
        validate_handshake: the host's hook.
        nathost: the host that URIs name instead.
        natport: the port that URIs name instead; 0 means the real one.

    Attributes:
        clients_gone: filled when an admitted client's connection has ended.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        unixsocket: str | None = None,
        config: Configuration | None = None,
        validate_handshake: Callable[[ClientConnection, Any], Any] | None = None,
        nathost: str | None = None,
        natport: int = 0,
    ) -> None:
        self.config = config or Configuration(use_environment=False)
        self.clients_gone = threading.Semaphore(0)
        self._ready: Future[None] = Future()
        self._listen_at = (host, port, unixsocket)
        self._published_at = (nathost, natport)
        self._validate = validate_handshake
        self._thread = threading.Thread(target=self._run, name="test host")
        self._thread.start()
        self._ready.result(DEADLINE)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        nathost, natport = self._published_at
        self.host = AsyncioHost(
            config=self.config,
            nathost=nathost,
            natport=natport,
            validate_handshake=self._validate,
        )
        self.host.service.client_disconnect = lambda _client: (
            self.clients_gone.release()
        )
        try:
            await self.host.start(*self._listen_at)
        except BaseException as error:  # noqa: BLE001 - raised where the test can see it
            self._ready.set_exception(error)
            return
        self._ready.set_result(None)
        await self._end.wait()
        await self.host.stop()

    @property
    def location(self) -> str:
        """Where it listens, as in a URI."""
        return self.host.location

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return self.host.connection_count

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the host's event loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the host's event loop and return its result."""

        async def call() -> T:
            return function()

        return self.run(call())

    def register(self, target: Any, object_id: str | None = None) -> URI:
        """Make an object or class reachable and return its URI."""
        return self.call(lambda: self.host.register(target, object_id))

    def wait_for_client_gone(self) -> None:
        """Wait until one more admitted client's connection has ended."""
        assert self.clients_gone.acquire(timeout=DEADLINE), "no client has gone"

    def stop(self) -> None:
        """Stop serving; harmless if it has been stopped."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the test host does not stop"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.stop()
