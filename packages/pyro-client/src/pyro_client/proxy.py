"""The proxy: stands in for a remote object."""

from __future__ import annotations

import difflib
import socket
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.config import Configuration, config
from pyro_protocol.errors import PyroError
from pyro_protocol.serializers.opt_in import PICKLED_IDS, opted_in
from pyro_protocol.uri import URI, uri_of

from .batch import BatchProxy
from .binding import Binding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyro_protocol.transport import BlockingChannel

__all__ = ["Proxy", "RemoteMethod"]

_HOOKS: Final = ("_pyroInvoke", "_pyroValidateHandshake")
_PATIENCE: Final = 100_000_000


# A partial object, because that makes the call without a Python frame of its own.
class RemoteMethod(partial[Any]):
    """A method of a remote object; call it like a local one."""

    __slots__ = ()

    def __getattr__(self, name: str) -> RemoteMethod:
        # A dotted name is for the server to refuse; guessing here would hide it.
        if name.startswith("__"):
            raise AttributeError(name)
        return RemoteMethod(self.func, f"{self.args[0]}.{name}")

    def __repr__(self) -> str:
        return f"<remote method {self.args[0]!r}>"


class Proxy:
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
        if config.SERIALIZER in PICKLED_IDS:
            opted_in(config.SERIALIZER)
        if connected_socket is not None:
            uri = f"PYRO:{uri}@<<connected-socket>>:0"
        target = uri_of(uri, config.NS_PORT)
        self._pyro_set_binding(Binding(target, config, connected_socket))
        if connected_socket is not None:
            self._pyro_binding.connect()

    def _pyro_set_binding(self, binding: Binding) -> None:
        self.__dict__["_pyro_binding"] = binding
        binding.names_changed = partial(_forget_methods, weakref.ref(self))
        if _overridden(type(self), "_pyroValidateHandshake"):
            binding.validate = weakref.WeakMethod(self._pyroValidateHandshake)

    def __getattr__(self, name: str) -> Any:
        binding = self.__dict__.get("_pyro_binding")
        if binding is None or name.startswith("_pyro"):
            raise AttributeError(f"a proxy has no attribute {name!r}")
        binding.need_metadata()
        if name in binding.attributes:
            return self._pyroInvoke("__getattr__", (name,), None)
        if name not in binding.methods:
            raise AttributeError(_unknown(binding, name, "attribute or method"))
        clazz = type(self)
        if clazz is not Proxy and any(_overridden(clazz, hook) for hook in _HOOKS):
            return RemoteMethod(self._pyro_call, name)
        method = RemoteMethod(binding.call, name)
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
            raise AttributeError(_unknown(binding, name, "attribute"))
        self._pyroInvoke("__setattr__", (name, value), None)

    def _pyro_call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call through the hook of a subclass."""
        return self._pyroInvoke(method, args, kwargs)

    def __dir__(self) -> list[str]:
        binding = self._pyro_binding
        return sorted({*super().__dir__(), *binding.methods, *binding.attributes})

    @property
    def _pyroUri(self) -> URI:
        """Where the object is."""
        return self._pyro_binding.uri

    @_pyroUri.setter
    def _pyroUri(self, uri: URI) -> None:
        binding = self._pyro_binding
        binding.uri = URI(uri, default_port=binding.config.NS_PORT)

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
    def _pyroMethods(self) -> set[str]:
        """Names of the remote methods; empty before the first connection."""
        return self._pyro_binding.methods

    @property
    def _pyroAttrs(self) -> set[str]:
        """Names of the remote attributes; empty before the first connection."""
        return self._pyro_binding.attributes

    @property
    def _pyroOneway(self) -> set[str]:
        """Names of the methods whose calls do not wait; may be changed."""
        return self._pyro_binding.oneway

    @_pyroOneway.setter
    def _pyroOneway(self, names: set[str]) -> None:
        self._pyro_binding.oneway = set(names)

    @property
    def _pyroTimeout(self) -> float | None:
        """How many seconds a call may take; None means no bound."""
        return self._pyro_binding.timeout

    @_pyroTimeout.setter
    def _pyroTimeout(self, seconds: float | None) -> None:
        self._pyro_binding.timeout = seconds

    @property
    def _pyroMaxRetries(self) -> int:
        """How often a call is repeated after a failure of the connection."""
        return self._pyro_binding.max_retries

    @_pyroMaxRetries.setter
    def _pyroMaxRetries(self, retries: int) -> None:
        self._pyro_binding.max_retries = retries

    @property
    def _pyroSerializer(self) -> str | None:
        """The serializer of this proxy; None means the configured one."""
        return self._pyro_binding.serializer_name

    @_pyroSerializer.setter
    def _pyroSerializer(self, name: str | None) -> None:
        if name in PICKLED_IDS:
            opted_in(name)
        self._pyro_binding.serializer_name = name

    @property
    def _pyroHandshake(self) -> Any:
        """The value sent to the server's handshake hook when connecting."""
        return self._pyro_binding.handshake

    @_pyroHandshake.setter
    def _pyroHandshake(self, value: Any) -> None:
        self._pyro_binding.handshake = value

    @property
    def _pyroRawWireResponse(self) -> bool:
        """Whether calls return the answer as it was received, not its value."""
        return self._pyro_binding.raw_response

    @_pyroRawWireResponse.setter
    def _pyroRawWireResponse(self, raw: bool) -> None:
        self._pyro_binding.raw_response = raw

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
        if kwargs is not None and not flags and objectId is None:
            return binding.call(methodname, *vargs, **kwargs)
        return binding.invoke(methodname, vargs, kwargs, flags, objectId)

    def _pyroInvokeBatch(self, calls: Sequence[Any], oneway: bool = False) -> Any:
        """Send several calls in one request; see `BatchProxy`."""
        return self._pyro_binding.invoke_batch(calls, oneway=oneway)

    def _pyroBatch(self) -> BatchProxy:
        """Return a `BatchProxy` for this proxy."""
        return BatchProxy(self)

    def _pyro_state_(self) -> tuple[Any, ...]:
        """The fields in the order in which they travel."""
        binding = self._pyro_binding
        if binding.lease is not None:
            binding.lease.passed_on = True
        return (
            str(binding.uri),
            tuple(sorted(binding.oneway)),
            tuple(sorted(binding.methods)),
            tuple(sorted(binding.attributes)),
            binding.handshake,
            binding.serializer_name,
        )

    def __getstate__(self) -> tuple[Any, ...]:
        return self._pyro_state_()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        uri, oneway, methods, attributes, handshake, serializer = state[:6]
        binding = Binding(URI(uri), config)
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

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        binding = self.__dict__.get("_pyro_binding")
        if binding is None:
            return f"<{type(self).__module__}.{type(self).__qualname__} unbound>"
        channel = self._pyroConnection
        state = "not connected"
        if channel is not None:
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
        for name in [one for one in known if one != "_pyro_binding"]:
            known.pop(name, None)


def _overridden(clazz: type, hook: str) -> bool:
    return getattr(clazz, hook) is not getattr(Proxy, hook)


def _unknown(binding: Binding, name: str, kind: str) -> str:
    known = sorted(binding.methods | binding.attributes)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"remote object {binding.uri} has no exposed {kind} {name!r}{hint}"


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
