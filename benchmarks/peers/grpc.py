"""gRPC from PyPI, with generic handlers and msgpack for the messages."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from peers.connection import ProxyConnection
from peers.service import HOST, IN_FLIGHT, Service

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["GrpcConnection", "GrpcPeer"]

_METHODS: Final = ("add", "echo", "upload", "download")
_STREAM: Final = "items"
_WORKERS: Final = 20  # more than clients in any measure
_OPTIONS: Final = (
    # The default is 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
)


class GrpcPeer:
    """A server with a pool of threads, and the stubs of a channel."""

    def __init__(self) -> None:
        self._library: Any = import_module("grpc")
        self._msgpack: Any = import_module("msgpack")
        self.version = f"grpcio {version('grpcio')}, msgpack {version('msgpack')}"

    def serve(self, announce: Callable[[str], None], path: str | None) -> None:
        """Publish one service object."""
        service, grpc = Service(), self._library
        codec = (self._msgpack.unpackb, self._msgpack.packb)
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                _handler(getattr(service, name)), *codec
            )
            for name in _METHODS
        }
        handlers[_STREAM] = grpc.unary_stream_rpc_method_handler(
            _handler(service.items), *codec
        )
        server = grpc.server(ThreadPoolExecutor(_WORKERS), options=_OPTIONS)
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("benchmark", handlers)]
        )
        port = server.add_insecure_port(f"unix:{path}" if path else f"{HOST}:0")
        server.start()
        announce(f"unix:{path}" if path else f"{HOST}:{port}")
        server.wait_for_termination()

    def connect(self, address: str) -> GrpcConnection:
        """Open a channel; connections of one process are not shared."""
        own = ("grpc.use_local_subchannel_pool", 1)
        channel = self._library.insecure_channel(address, options=(*_OPTIONS, own))
        return GrpcConnection(channel, self._msgpack)


class GrpcConnection(ProxyConnection):
    """A channel, in place of a proxy.

    Args:
        channel: the library's.
        codec: the module that writes and reads messages.
    """

    def __init__(self, channel: Any, codec: Any) -> None:
        super().__init__(_Stubs(channel, codec), close=channel.close)

    def together(self) -> object:
        """Add two numbers ``IN_FLIGHT`` times at once."""
        add = self._proxy.stubs["add"]
        results = [add.future((2, 3)) for _ in range(IN_FLIGHT)]
        return [result.result() for result in results]


class _Stubs:
    """The methods of the service, called with a tuple of their arguments."""

    def __init__(self, channel: Any, codec: Any) -> None:
        self.stubs = {
            name: channel.unary_unary(f"/benchmark/{name}", codec.packb, codec.unpackb)
            for name in _METHODS
        }
        self.stubs[_STREAM] = channel.unary_stream(
            f"/benchmark/{_STREAM}", codec.packb, codec.unpackb
        )
        for name, stub in self.stubs.items():
            setattr(self, name, _caller(stub))


def _caller(stub: Any) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        return stub(arguments)

    return call


def _handler(method: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def handle(arguments: Any, _context: Any) -> Any:
        return method(*arguments)

    return handle
