"""The proxy: stands in for a remote object."""

from __future__ import annotations

import weakref
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.config import Configuration, config
from pyro_protocol.errors import PyroError
from pyro_protocol.uri import URI, uri_of

from .batch import BatchProxy
from .deadlines import TimedBinding
from .explaining import (
    explain_method,
    explained_by,
    is_completing,
    method_docstring,
    proxy_docstring,
)
from .proxy_settings import ProxySettings

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyro_protocol.transport import BlockingChannel

    from .binding import Binding

__all__ = ["Proxy", "RemoteMethod"]

_HOOKS: Final = ("_pyroInvoke", "_pyroValidateHandshake")
_PATIENCE: Final = 100_000_000
_OPERATORS: Final = frozenset(
    {"__next__"}.union(*map(dir, (dict, float, int, list, set)))
)


# A partial object, because that makes the call without a Python frame of its own.
@explained_by(method_docstring)
class RemoteMethod(partial[Any]):
    """A method of a remote object; call it like a local one."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            return explain_method(self, name)
        # A dotted name is for the server to refuse; guessing here would hide it.
        return RemoteMethod(self.func, f"{self.args[0]}.{name}")

    def __repr__(self) -> str:
        return f"<remote method {self.args[0]!r}>"


@explained_by(proxy_docstring)
class Proxy(ProxySettings):
    """Stands in for a remote object: its methods and attributes are the object's.

    It connects at first use. Any number of threads may share one; without
    negotiated multiplexing their calls take turns. Names that begin with
    ``_pyro`` belong to the proxy itself, all others to the remote object.

    Args:
        uri: where the object is, as text or `URI`; with ``connected_socket`` the
            bare object id.
        connected_socket: a socket that is connected to the server already.
        config: the settings.

    Raises:
        TypeError: the URI is neither text nor a `URI`.
        PyroError: the URI is malformed.
        SerializeError: the library of the configured serializer is missing.
    """

    _pyro_binding: Binding

    def __init__(
        self,
        uri: str | URI,
        connected_socket: socket.socket | None = None,
        *,
        config: Configuration = config,
    ) -> None:
        binding_class = _binding_class(config.SERIALIZER)
        if connected_socket is not None:
            uri = f"PYRO:{uri}@<<connected-socket>>:0"
        target = uri_of(uri, config.NS_PORT)
        self._pyro_set_binding(binding_class(target, config, connected_socket))
        if connected_socket is not None:
            self._pyro_binding.connect()

    def _pyro_set_binding(self, binding: Binding) -> None:
        self.__dict__["_pyro_binding"] = binding
        binding.names_changed = partial(_forget_methods, weakref.ref(self))
        clazz = type(self)
        if clazz is Proxy:
            return
        if _overridden(clazz, "_pyroValidateHandshake"):
            binding.validate = weakref.WeakMethod(self._pyroValidateHandshake)
        if _overridden(clazz, "_pyroReconnected"):
            binding.reconnected = weakref.WeakMethod(self._pyroReconnected)

    def __getattr__(self, name: str) -> Any:
        binding = self.__dict__.get("_pyro_binding")
        if binding is None or name.startswith("_pyro"):
            raise AttributeError(f"a proxy has no attribute {name!r}")
        if not name.startswith("_") or name in _OPERATORS:
            # Tools look for other names with underscores in any object they come
            # across, which is no reason to connect.
            binding.need_metadata()
        if name in binding.attributes:
            if is_completing():
                raise AttributeError(f"{name!r} is not read to complete a name")
            return self._pyroInvoke("__getattr__", (name,), None)
        if name not in binding.methods:
            raise _unknown(binding, name, "attribute or method")
        clazz = type(self)
        if clazz is not Proxy and any(_overridden(clazz, hook) for hook in _HOOKS):
            return RemoteMethod(_in_mode(binding, self._pyro_call), name)
        call = binding.call
        if binding.asynchronous:
            call = _in_mode(binding, call)
        method = RemoteMethod(call, name)
        # Found there the next time, without coming here.
        self.__dict__[name] = method
        return method

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_pyro"):
            if not hasattr(type(self), name):
                raise AttributeError(f"a proxy has no attribute {name!r}")
            object.__setattr__(self, name, value)
            return
        binding = self._pyro_binding
        binding.need_metadata()
        if name not in binding.attributes:
            raise _unknown(binding, name, "attribute")
        self._pyroInvoke("__setattr__", (name, value), None)

    def _pyro_call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call through the hook of a subclass."""
        return self._pyroInvoke(method, args, kwargs)

    @property
    def _pyroConnection(self) -> BlockingChannel | None:
        """The connection, or None."""
        return self._pyro_binding.current_channel

    @property
    def _pyroLocalSocket(self) -> Any:
        """The local address of the connection, or None."""
        channel = self._pyroConnection
        return None if channel is None else channel.sock.getsockname()

    @property
    def _pyroTimeout(self) -> float | None:
        """How many seconds a call may take; None means no bound."""
        return self._pyro_binding.timeout

    @_pyroTimeout.setter
    def _pyroTimeout(self, seconds: float | None) -> None:
        self._pyro_binding.timeout = seconds

    @property
    def _pyroSerializer(self) -> str | None:
        """The serializer of this proxy; None means the configured one."""
        return self._pyro_binding.serializer_name

    @_pyroSerializer.setter
    def _pyroSerializer(self, name: str | None) -> None:
        _binding_class(name)
        self._pyro_binding.serializer_name = name

    @property
    def _pyroSeq(self) -> int:
        """The sequence number last used."""
        return self._pyro_binding.sequence

    def _pyroBind(self) -> bool:
        """Connect now, and replace the URI by the one it resolves to.

        Returns:
            Whether a connection was made; False if there was one already.

        Raises:
            CommunicationError: the server could not be reached, or refused.
            NamingError: the name could not be resolved.
        """
        binding = self._pyro_binding
        if binding.connected:
            return False
        binding.connect(replace_uri=True)
        return True

    def _pyroRelease(self) -> None:
        """Close the connection; the next use makes a new one.

        A proxy that was received for a leased object also gives the object up, as if
        the proxy had been dropped.
        """
        binding = self._pyro_binding
        binding.release()
        binding.lease = None

    def _pyroReconnect(self, tries: int = _PATIENCE) -> None:
        """Close the connection and make a new one, trying every two seconds.

        Raises:
            ConnectionClosedError: none of the tries succeeded.
            NamingError: the name could not be resolved.
        """
        self._pyro_binding.reconnect(tries)

    def _pyroClaimOwnership(self) -> None:
        """Do nothing: any thread may use a proxy. Kept for programs that call it."""

    def _pyroGetMetadata(
        self,
        objectId: str | None = None,
        known_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Ask the server what an object offers, and take it over."""
        metadata = known_metadata
        if metadata is None:
            binding = self._pyro_binding
            # A name is only known by the id it stands for once it is resolved.
            binding.connect()
            name = objectId or binding.object_id
            metadata = binding.invoke("get_metadata", (name,), {}, 0, "Pyro.Daemon")
        self._pyro_binding.set_metadata(
            metadata["methods"], metadata["oneway"], metadata["attrs"]
        )

    def _pyroValidateHandshake(self, response: Any) -> None:
        """Check the server's handshake value; override, and raise to refuse it.

        A proxy whose check failed is not connected; the next use tries again.
        """

    def _pyroReconnected(self, lost_session: bool) -> None:
        """Act on the loss of a connection; override.

        Called when a connection that was lost has been made anew, not after
        `_pyroRelease`. Calls made here use the new connection; those of other threads
        wait. What is raised here closes it again.

        Args:
            lost_session: whether something is known to be lost with the connection:
                the object of a class with the instance mode ``session``, open streams,
                or callbacks that the server has kept. Servers of Pyro5 do not tell.
        """
        if lost_session:
            from .reconnecting import (  # noqa: PLC0415 - few programs need it
                warn_of_lost_session,
            )

            warn_of_lost_session(self._pyroUri)

    def _pyroInvoke(
        self,
        methodname: str,
        vargs: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int = 0,
        objectId: str | None = None,
    ) -> Any:
        """Send one request; all calls of a subclass that overrides it come here."""
        binding = self._pyro_binding
        if not flags and objectId is None:
            if kwargs is not None:
                return binding.call(methodname, *vargs, **kwargs)
            return binding.access(methodname, vargs)
        return binding.invoke(methodname, vargs, kwargs, flags, objectId)

    def _pyroInvokeBatch(self, calls: Sequence[Any], oneway: bool = False) -> Any:
        """Send several calls in one request; see `BatchProxy`."""
        return self._pyro_binding.invoke_batch(calls, oneway=oneway)

    def _pyroAsync(self, asynchronous: bool = True) -> Self:
        """Have calls of methods return a `FutureResult` at once, or as usual again.

        The calls are made in the background, over the connection of this proxy.
        Attributes, ``len``, iterating and so on still wait. The mode goes with
        ``copy.copy``, but not with a proxy that is sent elsewhere.

        Returns:
            This proxy.
        """
        self._pyro_binding.asynchronous = asynchronous
        _forget_methods(weakref.ref(self))
        return self

    def _pyroBatch(self) -> BatchProxy:
        """Return a `BatchProxy` for this proxy."""
        return BatchProxy(self)

    def _pyro_with_timeout(self, seconds: float | None) -> Self:
        """Return a view of the proxy with another time limit; see `with_timeout`."""
        result = type(self).__new__(type(self))
        # Not the way of a new proxy, which would tell the binding to report to it.
        result.__dict__["_pyro_binding"] = TimedBinding(self._pyro_binding, seconds)
        return result

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        uri, oneway, methods, attributes, handshake, serializer = state[:6]
        binding = _binding_class()(URI(uri), config)
        binding.set_metadata(methods, oneway, attributes)
        binding.handshake = handshake
        binding.serializer_name = serializer
        self._pyro_set_binding(binding)

    def __copy__(self) -> Proxy:
        result = type(self).__new__(type(self))
        result._pyro_set_binding(self._pyro_binding.copy())  # noqa: SLF001 - its own kind
        return result

    def __deepcopy__(self, memo: object) -> Proxy:
        return self.__copy__()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._pyroRelease()

    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        return isinstance(other, Proxy) and other._pyroUri == self._pyroUri

    def __hash__(self) -> int:
        return hash(self._pyroUri)

    def __repr__(self) -> str:
        binding = self.__dict__.get("_pyro_binding")
        if binding is None:
            return f"<{type(self).__module__}.{type(self).__qualname__} unbound>"
        channel = self._pyroConnection
        state = "not connected"
        if channel is not None:
            import socket  # noqa: PLC0415 - there is one, so it costs nothing

            families = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}
            state = f"connected {families.get(channel.sock.family, 'Unix')}"
        return (
            f"<{type(self).__module__}.{type(self).__qualname__} at 0x{id(self):x}; "
            f"{state}; for {binding.uri}>"
        )

    __str__ = __repr__

    def _pyro_special(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a remote special method, if the object has it exposed.

        Raises:
            TypeError: it has not, as a local object without it would raise.
        """
        binding = self._pyro_binding
        binding.need_metadata()
        if name not in binding.methods:
            raise TypeError(f"remote object {binding.uri} has no exposed {name}")
        return self._pyroInvoke(name, args, kwargs)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the remote object itself.

        Raises:
            TypeError: it does not expose ``__call__``.
        """
        return self._pyro_special("__call__", *args, **kwargs)

    def __len__(self) -> int:
        length: int = self._pyro_special("__len__")
        return length

    def __getitem__(self, index: Any) -> Any:
        return self._pyro_special("__getitem__", index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._pyro_special("__setitem__", index, value)

    def __delitem__(self, index: Any) -> None:
        self._pyro_special("__delitem__", index)

    def __contains__(self, item: Any) -> bool:
        binding = self._pyro_binding
        binding.need_metadata()
        if "__contains__" in binding.methods:
            return bool(self._pyro_special("__contains__", item))
        return any(one is item or one == item for one in self)

    def __iter__(self) -> Iterator[Any]:
        binding = self._pyro_binding
        binding.need_metadata()
        if "__iter__" in binding.methods:
            return iter(self._pyro_special("__iter__"))
        if "__getitem__" in binding.methods:
            return self._pyro_by_index()
        raise TypeError(f"remote object {binding.uri} cannot be iterated over")

    def _pyro_by_index(self) -> Iterator[Any]:
        index = 0
        while True:
            try:
                item = self[index]
            except (IndexError, StopIteration):
                return
            yield item
            index += 1


def _forget_methods(owner: weakref.ref[Proxy]) -> None:
    """Have a proxy find its methods anew, if it is still there."""
    proxy = owner()
    if proxy is not None:
        known = proxy.__dict__
        methods = [key for key, one in [*known.items()] if type(one) is RemoteMethod]
        for name in methods:
            known.pop(name, None)


@cache
def _binding_class(serializer: str | None = None) -> type[Binding]:
    """Return what talks to servers, as soon as a serializer may be used.

    It comes with the first proxy, since it takes twice as long as all other imports.
    """
    from pyro_protocol.serializers.opt_in import PICKLED_IDS, opted_in  # noqa: PLC0415

    from .binding import Binding  # noqa: PLC0415

    if serializer in PICKLED_IDS:
        opted_in(serializer)
    return Binding


def _in_mode(binding: Binding, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return what makes calls as the mode of the proxy says: now, or in background."""
    if not binding.asynchronous:
        return call
    from .futures import BackgroundCall  # noqa: PLC0415 - most programs do without

    return BackgroundCall(call, binding)


def _overridden(clazz: type, hook: str) -> bool:
    return getattr(clazz, hook) is not getattr(Proxy, hook)


def _unknown(binding: Binding, name: str, kind: str) -> AttributeError:
    from .names import unknown_name  # noqa: PLC0415 - it is for mistakes alone

    return unknown_name(binding.uri, binding.methods | binding.attributes, name, kind)


def proxy_from_state(state: tuple[Any, ...]) -> Proxy:
    """Return an unconnected proxy with the given fields.

    Raises:
        PyroError: the URI among them is malformed.
    """
    proxy = Proxy.__new__(Proxy)
    try:
        proxy.__setstate__(state)
    except (TypeError, ValueError) as error:
        raise PyroError(f"malformed proxy state: {error}") from error
    return proxy
