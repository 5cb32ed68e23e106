"""The proxy of Pyro4 programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_client import factory
from pyro_client.proxy import Proxy as ClientProxy
from pyro_protocol.context import current_context
from pyro_protocol.errors import PyroError
from pyro_protocol.references import ProxyState, set_proxy_factory

from .bindings import Pyro4Binding
from .message import MSG_RESULT

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

    from pyro_client.binding import Binding
    from pyro_protocol import URI

__all__ = ["Proxy"]


class Proxy(ClientProxy):
    """Stands in for a remote object: its methods and attributes are the object's.

    Args:
        uri: where the object is, as text or `URI`; with ``connected_socket`` the
            bare object id.
        connected_socket: a socket that is connected to the server already.

    Raises:
        TypeError: the URI is neither text nor a `URI`.
        PyroError: the URI is malformed.
        SerializeError: the library of the configured serializer is missing.
    """

    _pyro_binding: Pyro4Binding

    def __init__(
        self, uri: str | URI, connected_socket: socket.socket | None = None
    ) -> None:
        super().__init__(uri, connected_socket)

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        hooked = (
            cls._pyroAnnotations is not Proxy._pyroAnnotations
            or cls._pyroResponseAnnotations is not Proxy._pyroResponseAnnotations
        )
        if hooked and cls._pyroInvoke is ClientProxy._pyroInvoke:
            # Only proxies that have the hooks pay for them.
            cls._pyroInvoke = _invoke_with_hooks  # type: ignore[assignment, method-assign] # see above

    def _pyro_set_binding(self, binding: Binding) -> None:
        super()._pyro_set_binding(Pyro4Binding.of(binding))

    @property
    def _pyroHmacKey(self) -> bytes | None:
        """The HMAC key, or None; a text is taken for its bytes in UTF-8."""
        return self._pyro_binding.key

    @_pyroHmacKey.setter
    def _pyroHmacKey(self, key: bytes | str | None) -> None:
        binding = self._pyro_binding
        if key and binding.on_connected_socket:
            raise PyroError(
                "no messages are signed on a connected socket; use TLS on the socket, "
                "or connect by a URI"
            )
        binding.key = key.encode("utf-8") if isinstance(key, str) else key or None

    def __copy__(self) -> Proxy:
        result = super().__copy__()
        assert isinstance(result, Proxy)  # noqa: S101 - it is of the same class
        result._pyroHmacKey = self._pyroHmacKey  # noqa: SLF001 - of this class
        return result

    def _pyroAnnotations(self) -> Mapping[str, Any]:
        """Return what every request is to carry besides; override as needed.

        Returns:
            Bytes by annotation id, which is four ASCII characters.
        """
        return {}

    def _pyroResponseAnnotations(
        self, annotations: Mapping[str, Any], msgtype: int
    ) -> None:
        """Process what an answer has carried; override as needed.

        Args:
            annotations: bytes by annotation id.
            msgtype: the type of the message.
        """


def _invoke_with_hooks(
    self: Proxy,
    methodname: str,
    vargs: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
    flags: int = 0,
    objectId: str | None = None,
) -> Any:
    """Send one request of a proxy that has hooks for annotations."""
    current_context.annotations = {
        **current_context.annotations,
        **self._pyroAnnotations(),
    }
    result = ClientProxy._pyroInvoke(self, methodname, vargs, kwargs, flags, objectId)
    self._pyroResponseAnnotations(
        dict(current_context.response_annotations), MSG_RESULT
    )
    return result


def _make_proxy(state: ProxyState) -> object:
    """Return an unconnected proxy for a received reference."""
    made = factory.make_proxy(state)
    if type(made) is not ClientProxy:
        return made
    proxy = Proxy.__new__(Proxy)
    proxy._pyro_set_binding(made._pyro_binding)  # noqa: SLF001 - made here
    return proxy


set_proxy_factory(_make_proxy)
