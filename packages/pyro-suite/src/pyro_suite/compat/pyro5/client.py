"""``Pyro5.client``: proxies, batches and blobs."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pyro_client
from pyro_client.batch import BatchProxy
from pyro_client.factory import make_proxy
from pyro_protocol import SerializedBlob
from pyro_protocol.errors import ConnectionClosedError
from pyro_protocol.errors import TimeoutError as PyroTimeoutError
from pyro_protocol.references import set_proxy_factory

from .configure import opt_in

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pyro_client.binding import Binding
    from pyro_protocol import URI
    from pyro_protocol.references import ProxyState

__all__ = ["BatchProxy", "Proxy", "SerializedBlob"]


class Proxy(pyro_client.Proxy):
    """Stands in for a remote object.

    Any thread may use it: `_pyroClaimOwnership` does nothing.

    Args:
        uri: where the object is; with ``connected_socket`` the bare object id.
        connected_socket: a socket that is connected to the server already.

    Raises:
        TypeError: the URI is neither text nor a `URI`.
        PyroError: the URI is malformed.
    """

    __module__ = "Pyro5.client"

    def __init__(
        self, uri: str | URI, connected_socket: socket.socket | None = None
    ) -> None:
        super().__init__(uri, connected_socket)

    def _pyro_set_binding(self, binding: Binding) -> None:
        # Repeated here, where it is done whether or not the call can have run.
        self.__dict__["_pyro_retries"] = binding.max_retries
        binding.max_retries = 0
        super()._pyro_set_binding(binding)

    @property
    def _pyroMaxRetries(self) -> int:
        """How often a call is made again after a timeout or a lost connection.

        As in Pyro5 that is any call of a method: the server may run it several times.
        """
        retries: int = self.__dict__["_pyro_retries"]
        return retries

    @_pyroMaxRetries.setter
    def _pyroMaxRetries(self, retries: int) -> None:
        self.__dict__["_pyro_retries"] = retries
        self._pyro_forget_methods()

    @property
    def _pyroSerializer(self) -> str | None:
        """The serializer of this proxy; None means the configured one."""
        return self._pyro_binding.serializer_name

    @_pyroSerializer.setter
    def _pyroSerializer(self, name: str | None) -> None:
        opt_in(name)
        # The property of the class above, which checks the name.
        pyro_client.Proxy._pyroSerializer.fset(self, name)  # type: ignore[attr-defined] # it is a property

    def _pyro_forget_methods(self) -> None:
        for name in [
            name
            for name, value in self.__dict__.items()
            if isinstance(value, pyro_client.RemoteMethod)
        ]:
            del self.__dict__[name]

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        retries = self.__dict__.get("_pyro_retries", 0)
        if retries and type(found) is pyro_client.RemoteMethod:
            # Not the one that is kept there: the number may be changed.
            self.__dict__.pop(name, None)
            return pyro_client.RemoteMethod(
                partial(_repeated, retries, found.func), *found.args
            )
        return found

    def __copy__(self) -> pyro_client.Proxy:
        result = super().__copy__()
        result._pyroMaxRetries = self._pyroMaxRetries
        return result


def _repeated(
    retries: int, call: Callable[..., Any], method: str, /, *args: Any, **kwargs: Any
) -> Any:
    """Make a call, and make it again if the connection fails.

    Raises:
        Exception: what the last try has raised.
    """
    while True:
        try:
            return call(method, *args, **kwargs)
        except (ConnectionClosedError, PyroTimeoutError):
            if retries <= 0:
                raise
            retries -= 1


def _proxy_of_reference(state: ProxyState) -> object:
    """Return the proxy for a reference that was received."""
    proxy = make_proxy(state)
    if type(proxy) is pyro_client.Proxy:
        # An attribute that is set in the usual way is the remote object's.
        object.__setattr__(proxy, "__class__", Proxy)
        proxy._pyro_set_binding(proxy._pyro_binding)  # noqa: SLF001 - made here
    return proxy


set_proxy_factory(_proxy_of_reference)
