"""The async proxy: stands in for a remote object in programs that use asyncio."""

from __future__ import annotations

import inspect
import socket
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol.config import Configuration, config
from pyro_protocol.contract import is_private_name
from pyro_protocol.errors import PyroError
from pyro_protocol.serializers.opt_in import PICKLED_IDS, opted_in
from pyro_protocol.uri import URI, uri_of

from .async_batch import AsyncBatchProxy
from .async_binding import AsyncBinding
from .async_calls import RemoteCall, RemoteMember
from .names import unknown_name
from .proxy_settings import ProxySettings
from .reconnecting import warn_of_lost_session

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from .async_channel import AsyncClientChannel
    from .async_streams import AsyncStreamIterator

__all__ = ["AsyncProxy", "async_proxy_from_state"]

_PATIENCE: Final = 100_000_000
# Python and its tools look for these on any object; none is for the remote one.
_LOCAL_SPECIALS: Final = frozenset(
    {
        "__wrapped__",
        "__name__",
        "__qualname__",
        "__file__",
        "__path__",
        "__set_name__",
        "__await__",
        "__length_hint__",
        "__fspath__",
        "__index__",
        "__deepcopy__",
        "__array__",
        "__array_interface__",
        "__array_struct__",
        "__dataclass_fields__",
        "__conform__",
        "__html__",
    }
)


class AsyncProxy(ProxySettings):
    """Stands in for a remote object: its methods and attributes are awaited.

    ``await proxy.method(1)`` calls, ``await proxy.attribute`` reads,
    ``await proxy._pyro_set("attribute", 1)`` writes, ``async for item in
    proxy.stream()`` goes through what a generator produces. Any number of tasks may
    share a proxy: they share one connection, on which their calls are in flight
    together if the server is of our family. A cancelled task cancels its call.

    It connects at first use. In another event loop it makes another connection, so
    that one proxy serves several runs of `asyncio.run`. Names that begin with
    ``_pyro`` belong to the proxy itself, all others to the remote object.

    Args:
        uri: where the object is, as text or `URI`.
        config: the settings.

    Raises:
        TypeError: the URI is neither text nor a `URI`.
        PyroError: the URI is malformed.
        SerializeError: the library of the configured serializer is missing.
    """

    _pyro_binding: AsyncBinding

    def __init__(self, uri: str | URI, *, config: Configuration = config) -> None:
        if config.SERIALIZER in PICKLED_IDS:
            opted_in(config.SERIALIZER)
        target = uri_of(uri, config.NS_PORT)
        self._pyro_use_binding(AsyncBinding(target, config))

    def _pyro_use_binding(self, binding: AsyncBinding) -> None:
        self.__dict__["_pyro_binding"] = binding
        binding.names_changed = partial(_forget_members, weakref.ref(self))
        if _overridden(type(self), "_pyroValidateHandshake"):
            binding.validate = weakref.WeakMethod(self._pyroValidateHandshake)
        if _overridden(type(self), "_pyroReconnected"):
            binding.reconnected = weakref.WeakMethod(self._pyroReconnected)

    def __getattr__(self, name: str) -> RemoteMember:
        binding = self.__dict__.get("_pyro_binding")
        if binding is None or name.startswith("_pyro"):
            raise AttributeError(f"a proxy has no attribute {name!r}")
        known = binding.methods | binding.attributes
        if name not in known and (known or _is_local(name)):
            raise unknown_name(binding.uri, known, name, "attribute or method")
        target: Any = binding
        if _overridden(type(self), "_pyroInvoke"):
            target = _Hooked(self)
        member = RemoteMember(RemoteCall, target, name)
        if target is binding:
            # Found there the next time, without coming here.
            self.__dict__[name] = member
        return member

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_pyro"):
            if not hasattr(type(self), name):
                raise AttributeError(f"a proxy has no attribute {name!r}")
            object.__setattr__(self, name, value)
            return
        raise AttributeError(
            "an assignment cannot be awaited; write "
            f"'await proxy._pyro_set({name!r}, ...)'"
        )

    async def _pyro_set(self, name: str, value: Any) -> None:
        """Set an attribute of the remote object.

        Raises:
            AttributeError: it has no such attribute, or that cannot be set.
        """
        if _overridden(type(self), "_pyroInvoke"):
            await self._pyro_binding.need_metadata()
            await self._pyroInvoke("__setattr__", (name, value), None)
        else:
            await self._pyro_binding.write(name, value)

    @property
    def _pyroConnection(self) -> AsyncClientChannel | None:
        """The connection, that of the running event loop if there is one; or None."""
        binding = self._pyro_binding
        return binding.current_channel or binding.last_channel

    @property
    def _pyroLocalSocket(self) -> Any:
        """The local address of the connection, or None."""
        channel = self._pyroConnection
        return None if channel is None else channel.local_address

    @property
    def _pyroTimeout(self) -> float | None:
        """How many seconds a call may take; None means no bound."""
        return self._pyro_binding.timeout

    @_pyroTimeout.setter
    def _pyroTimeout(self, seconds: float | None) -> None:
        self._pyro_binding.timeout = seconds or None

    @property
    def _pyroSerializer(self) -> str | None:
        """The serializer of this proxy; None means the configured one."""
        return self._pyro_binding.serializer_name

    @_pyroSerializer.setter
    def _pyroSerializer(self, name: str | None) -> None:
        if name in PICKLED_IDS:
            opted_in(name)
        self._pyro_binding.use_serializer(name)

    @property
    def _pyroSeq(self) -> int:
        """The sequence number last used."""
        channel = self._pyroConnection
        return 0 if channel is None else channel.sequence

    async def _pyroBind(self) -> bool:
        """Connect now, and replace the URI by the one it resolves to.

        Returns:
            Whether a connection was made; False if there was one already.

        Raises:
            CommunicationError: the server could not be reached, or refused.
            NamingError: the name could not be resolved.
        """
        binding = self._pyro_binding
        if binding.current_channel is not None:
            return False
        await binding.connect(replace_uri=True)
        return True

    async def _pyroRelease(self) -> None:
        """Close the connection; the next use makes a new one.

        A proxy that was received for a leased object also gives the object up, as if
        the proxy had been dropped.
        """
        binding = self._pyro_binding
        binding.lease = None
        await binding.release()

    async def _pyroReconnect(self, tries: int = _PATIENCE) -> None:
        """Close the connection and make a new one, trying every two seconds.

        Raises:
            ConnectionClosedError: none of the tries succeeded.
            NamingError: the name could not be resolved.
        """
        await self._pyro_binding.reconnect(tries)

    def _pyroClaimOwnership(self) -> None:
        """Do nothing: any task may use a proxy. Kept for programs that call it."""

    async def _pyroGetMetadata(
        self,
        objectId: str | None = None,
        known_metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Ask the server what an object offers, and take it over."""
        metadata = known_metadata
        if metadata is None:
            binding = self._pyro_binding
            # A name is only known by the id it stands for once it is resolved.
            await binding.connect()
            name = objectId or binding.object_id
            metadata = await binding.invoke(
                "get_metadata", (name,), {}, 0, "Pyro.Daemon"
            )
        self._pyro_binding.set_metadata(
            metadata["methods"], metadata["oneway"], metadata["attrs"]
        )

    def _pyroValidateHandshake(self, response: Any) -> Any:
        """Check the server's handshake value; override, and raise to refuse it.

        It may be written ``async def``. A proxy whose check failed is not connected;
        the next use tries again.
        """

    def _pyroReconnected(self, lost_session: bool) -> Any:
        """Act on the loss of a connection; override. It may be written ``async def``.

        Called when a connection that was lost has been made anew, not after
        `_pyroRelease`. Calls made here use the new connection; those of other tasks
        wait. What is raised here closes it again.

        Args:
            lost_session: whether something is known to be lost with the connection:
                the object of a class with the instance mode ``session``, open streams,
                or callbacks that the server has kept. Servers of Pyro5 do not tell.
        """
        if lost_session:
            warn_of_lost_session(self._pyroUri)

    async def _pyroInvoke(
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
                return await RemoteCall(binding, methodname, *vargs, **kwargs)
            return await binding.access(methodname, tuple(vargs))
        return await binding.invoke(methodname, vargs, kwargs, flags, objectId)

    async def _pyroInvokeBatch(self, calls: Sequence[Any], oneway: bool = False) -> Any:
        """Send several calls in one request; see `AsyncBatchProxy`."""
        return await self._pyro_binding.invoke_batch(calls, oneway=oneway)

    def _pyroBatch(self) -> AsyncBatchProxy:
        """Return an `AsyncBatchProxy` for this proxy."""
        return AsyncBatchProxy(self)

    def _pyro_with_timeout(self, seconds: float | None) -> Self:
        """Return a proxy that shares the connection, and waits for another time.

        Args:
            seconds: how many seconds a call may take; None means no bound.
        """
        result = type(self).__new__(type(self))
        result.__dict__["_pyro_binding"] = self._pyro_binding.with_timeout(seconds)
        return result

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        uri, oneway, methods, attributes, handshake, serializer = state[:6]
        binding = AsyncBinding(URI(uri), config)
        binding.set_metadata(methods, oneway, attributes)
        binding.handshake = handshake
        binding.serializer_name = serializer
        self._pyro_use_binding(binding)

    def __copy__(self) -> AsyncProxy:
        result = type(self).__new__(type(self))
        result._pyro_use_binding(self._pyro_binding.copy())  # noqa: SLF001 - its own kind
        return result

    def __deepcopy__(self, memo: object) -> AsyncProxy:
        return self.__copy__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self._pyroRelease()

    def __eq__(self, other: object) -> bool:
        if other is self:
            return True
        return isinstance(other, AsyncProxy) and other._pyroUri == self._pyroUri

    def __hash__(self) -> int:
        return hash(self._pyroUri)

    def __call__(self, /, *args: Any, **kwargs: Any) -> RemoteCall:
        """Call the remote object itself; await the result."""
        call: RemoteCall = self.__getattr__("__call__")(*args, **kwargs)
        return call

    def __aiter__(self) -> AsyncStreamIterator:
        call: RemoteCall = self.__getattr__("__iter__")()
        return aiter(call)

    def __repr__(self) -> str:
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        binding = self.__dict__.get("_pyro_binding")
        if binding is None:
            return f"<{name} unbound>"
        channel = self._pyroConnection
        state = "not connected"
        if channel is not None:
            families = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}
            family = channel.family
            state = f"connected {families.get(family, 'Unix')}"  # type: ignore[call-overload] # the families are numbers
        return f"<{name} at 0x{id(self):x}; {state}; for {binding.uri}>"

    __str__ = __repr__


class _Hooked:
    """What makes calls of a proxy whose class overrides ``_pyroInvoke``."""

    __slots__ = ("_proxy",)

    def __init__(self, proxy: AsyncProxy) -> None:
        self._proxy = proxy

    def call(
        self, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Generator[Any, Any, Any]:
        called: Any = self._proxy._pyroInvoke(method, args, kwargs)
        if not inspect.isawaitable(called):
            return called
        return (yield from called.__await__())

    def call_soon(self, *_call: object) -> None:
        """Return None, as the class of the proxy sees calls when they are made."""

    async def read(self, name: str) -> Any:
        binding = self._proxy._pyro_binding  # noqa: SLF001 - a part of it
        await binding.need_metadata()
        if name not in binding.attributes:
            # Which tells what is wrong with the name.
            return await binding.read(name)
        return await self._proxy._pyroInvoke("__getattr__", (name,), None)


def _forget_members(owner: weakref.ref[AsyncProxy]) -> None:
    """Have a proxy find its members anew, if it is still there."""
    proxy = owner()
    if proxy is not None:
        known = proxy.__dict__
        for name in [one for one in known if one != "_pyro_binding"]:
            known.pop(name, None)


def _overridden(clazz: type, hook: str) -> bool:
    return getattr(clazz, hook) is not getattr(AsyncProxy, hook)


def _is_local(name: str) -> bool:
    """Whether a name cannot be one of a remote object that is not known yet."""
    return is_private_name(name) or name in _LOCAL_SPECIALS


def async_proxy_from_state(state: tuple[Any, ...]) -> AsyncProxy:
    """Return an unconnected proxy with the given fields.

    Raises:
        PyroError: the URI among them is malformed.
    """
    proxy = AsyncProxy.__new__(AsyncProxy)
    try:
        proxy.__setstate__(state)
    except (TypeError, ValueError) as error:
        raise PyroError(f"malformed proxy state: {error}") from error
    return proxy
