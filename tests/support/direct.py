"""Calling a remote object with pyro-protocol alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pyro_protocol.dispatch import DAEMON_NAME
from pyro_protocol.session import StreamReference
from pyro_protocol.transport import BlockingChannel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyro_protocol import URI

__all__ = ["DirectProxy"]


class DirectProxy:
    """Has the methods of a remote object, and nothing else of a proxy.

    It connects when it is first used.

    Args:
        uri: the object.
        serializer: what its calls are written with.
        handshake: the value for the server's own check.
    """

    def __init__(
        self, uri: URI, serializer: str = "native", handshake: object = "hello"
    ) -> None:
        self._uri = uri
        self._options: dict[str, Any] = {
            "serializer": serializer,
            "handshake": handshake,
        }
        self._channel: BlockingChannel | None = None

    def _pyroBind(self) -> None:
        if self._channel is None:
            self._channel = BlockingChannel.connect(self._uri, **self._options)

    def _pyroInvoke(
        self, method: str, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> Any:
        self._pyroBind()
        assert self._channel is not None
        result = self._channel.call(self._uri.object_id, method, args, kwargs)
        return self._items(result) if isinstance(result, StreamReference) else result

    def _items(self, stream: StreamReference) -> Iterator[Any]:
        assert self._channel is not None
        while True:
            try:
                yield self._channel.call(
                    DAEMON_NAME, "get_next_stream_item", (stream.stream_id,)
                )
            except StopIteration:
                return

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self._pyroInvoke(name, args, kwargs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        if self._channel is not None:
            self._channel.close()
