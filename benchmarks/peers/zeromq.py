"""ZeroMQ and msgpack from PyPI: what one writes who wants just messages."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from peers.connection import ProxyConnection
from peers.service import HOST, IN_FLIGHT, Service

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ZeroMqConnection", "ZeroMqPeer"]


class ZeroMqPeer:
    """A router that answers one request after the other, and its dealers."""

    def __init__(self) -> None:
        self._zmq: Any = import_module("zmq")
        self._msgpack: Any = import_module("msgpack")
        self.version = f"pyzmq {version('pyzmq')}, msgpack {version('msgpack')}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object."""
        pack, unpack = self._msgpack.packb, self._msgpack.unpackb
        service = Service()
        router = self._zmq.Context.instance().socket(self._zmq.ROUTER)
        router.bind(f"ipc://{path}" if path else f"tcp://{HOST}:*")
        announce(router.getsockopt_string(self._zmq.LAST_ENDPOINT))
        while True:
            sender, request = router.recv_multipart()
            method, arguments = unpack(request)
            answer = getattr(service, method)(*arguments)
            if method != "note":
                router.send_multipart([sender, pack(answer)], copy=False)

    def connect(self, address: str) -> ZeroMqConnection:
        """Create a dealer."""
        dealer = self._zmq.Context.instance().socket(self._zmq.DEALER)
        dealer.connect(address)
        return ZeroMqConnection(dealer, self._msgpack)


class ZeroMqConnection(ProxyConnection):
    """A dealer, which sends requests and receives answers in their order.

    Args:
        dealer: the library's socket.
        codec: the module that writes and reads messages.
    """

    def __init__(self, dealer: Any, codec: Any) -> None:
        super().__init__(_Dealing(dealer, codec), close=dealer.close)

    def together(self) -> object:
        """Add two numbers ``IN_FLIGHT`` times at once."""
        for _ in range(IN_FLIGHT):
            self._proxy.send("add", (2, 3))
        return [self._proxy.receive() for _ in range(IN_FLIGHT)]


class _Dealing:
    """The methods of the service, by messages."""

    def __init__(self, dealer: Any, codec: Any) -> None:
        self._dealer = dealer
        self._codec = codec

    def send(self, method: str, arguments: tuple[Any, ...]) -> None:
        self._dealer.send(self._codec.packb((method, arguments)), copy=False)

    def receive(self) -> Any:
        return self._codec.unpackb(self._dealer.recv())

    def note(self, number: int) -> None:
        self.send("note", (number,))

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            self.send(method, arguments)
            return self.receive()

        return call
