"""References: how an object that stays where it is travels over the wire.

What travels is plain state, `ProxyState`. A program that has pyro-client
installed decodes it to a proxy; without it the state can still be passed on.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

from .errors import PyroError, SerializeError
from .frozen import Frozen
from .serializers import Serializer, classes
from .serializers.connection_states import (
    CallbackState,
    ConnectionReferences,
    StreamState,
    UnboundReferenceError,
    connection_references,
)
from .serializers.opt_in import PICKLED_IDS
from .serializers.wire_classes import lease_of
from .uri import URI

__all__ = [
    "PROXY_FACTORY_GROUP",
    "CallbackState",
    "ConnectionReferences",
    "ProxyFactory",
    "ProxyState",
    "ReferenceProvider",
    "SerializedBlob",
    "StreamState",
    "UnboundReferenceError",
    "add_reference_provider",
    "connection_references",
    "make_proxy",
    "reference_of",
    "set_proxy_factory",
]

_logger = logging.getLogger("pyro.references")

_CALL_PARTS: Final = 4

PROXY_FACTORY_GROUP: Final = "pyro_protocol.proxy_factory"
"""The entry-point group in which a client package announces its proxies."""

# Reading answers in these is unsafe: this program may choose it, not its peer.
_NOT_FOR_PEERS: Final = frozenset({"marshal", *PICKLED_IDS})

StateTuple = tuple[Any, ...]


class ProxyState(Frozen):
    """All that a proxy is, apart from its connection.

    Attributes:
        uri: the URI as text.
        oneway: names of the methods whose callers do not wait.
        methods: names of the methods; empty if not known yet.
        attributes: names of the attributes; empty if not known yet.
        handshake: the value the proxy sends when it connects.
        serializer: the name of the serializer the proxy is bound to, or None.
        lease: of a leased object, what is needed to give back a received reference;
            else None. It is not passed on.
    """

    uri: str
    oneway: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    handshake: object = "hello"
    serializer: str | None = None
    lease: str | None = None

    @classmethod
    def from_state(cls, state: StateTuple) -> ProxyState:
        """Make it of the fields in the order in which they travel."""
        uri, oneway, methods, attributes, handshake, serializer, *rest = state
        return cls(
            uri=str(uri),
            oneway=frozenset(oneway),
            methods=frozenset(methods),
            attributes=frozenset(attributes),
            handshake=handshake,
            serializer=serializer,
            lease=lease_of(rest),
        )

    def _pyro_state_(self) -> StateTuple:
        return (
            self.uri,
            tuple(sorted(self.oneway)),
            tuple(sorted(self.methods)),
            tuple(sorted(self.attributes)),
            self.handshake,
            self.serializer,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.ProxyState; {self.uri}>"

    def __getattr__(self, name: str) -> Any:
        if name in self.methods or name in self.attributes:
            raise PyroError(
                f"cannot use {name!r} of {self.uri}: this program has no proxies; "
                "install pyro-client"
            )
        raise AttributeError(f"ProxyState of {self.uri} has no attribute {name!r}")


class SerializedBlob:
    """A value passed through without being serialized on the way.

    It must be the only argument of a call. The receiving method gets a blob, and
    reads the value with `deserialized`, or passes the blob on.

    Args:
        info: a small value for the receiver to decide by: text, numbers, tuples.
        data: the value, or, on the receiving side, the received payload.
        serializer: on the receiving side, what made the payload; else None.
    """

    __slots__ = ("_serializer", "data", "info")

    def __init__(
        self, info: object, data: Any, serializer: Serializer | None = None
    ) -> None:
        self.info: object = info
        self.data: Any = data
        self._serializer = serializer

    @property
    def is_blob(self) -> bool:
        """Whether ``data`` is a received payload rather than a value."""
        return self._serializer is not None

    @property
    def serializer(self) -> Serializer | None:
        """What made the payload in ``data``, or None if ``data`` is a value."""
        return self._serializer

    def deserialized(self) -> Any:
        """Return the value; of a received blob, the arguments it was sent with.

        Raises:
            SerializeError: the payload cannot be decoded, or is not a call.
        """
        if self._serializer is None:
            return self.data
        call = self._serializer.loads(self.data)
        # The only two forms of a call (spec: wire, section 11).
        if isinstance(call, dict) and "params" in call:
            return call["params"]
        if isinstance(call, list | tuple) and len(call) == _CALL_PARTS:
            return call[2]
        raise SerializeError("malformed serialized blob; its payload is not a call")


@runtime_checkable
class ReferenceProvider(Protocol):
    """Somebody who has registered objects, such as a daemon."""

    def reference_of(self, obj: object) -> ProxyState | None:
        """Return the reference to an object registered here, else None."""


ProxyFactory = Callable[[ProxyState], object]

_providers: list[weakref.ref[ReferenceProvider]] = []
_factories: list[ProxyFactory] = []


def add_reference_provider(provider: ReferenceProvider) -> None:
    """Have registered objects of a provider travel as references.

    Only a weak reference is kept. Of several providers that know an object, the
    one added last answers.
    """
    _providers[:] = [one for one in _providers if one() is not None]
    _providers.append(weakref.ref(provider))


def reference_of(obj: object) -> ProxyState | None:
    """Return the reference to a registered object, else None."""
    for one in reversed(_providers):
        provider = one()
        if provider is not None:
            state = provider.reference_of(obj)
            if state is not None:
                return state
    return None


def set_proxy_factory(factory: ProxyFactory) -> None:
    """Use this instead of the installed client package to make proxies."""
    _factories[:] = [factory]


def make_proxy(state: ProxyState) -> object:
    """Return a proxy, or the state itself where no client package is installed."""
    if not _factories:
        _factories.append(_installed_factory())
    return _factories[0](state)


def _installed_factory() -> ProxyFactory:
    # It takes longer to import than all of this package.
    from importlib.metadata import entry_points  # noqa: PLC0415

    for entry_point in entry_points(group=PROXY_FACTORY_GROUP):
        try:
            factory: ProxyFactory = entry_point.load()
        except ImportError:
            _logger.exception("cannot load the proxy factory %s", entry_point.value)
        else:
            return factory
    return _keep_state


def _keep_state(state: ProxyState) -> object:
    return state


def _encode_reference(obj: object) -> StateTuple | None:
    own = getattr(type(obj), "_pyro_state_", None)
    if own is not None:
        state: StateTuple = own(obj)
        return state
    found = reference_of(obj)
    if found is None:
        return None
    state = found._pyro_state_()
    return state if found.lease is None else (*state, found.lease)


def _decode_reference(state: StateTuple) -> object:
    URI(state[0])
    received = ProxyState.from_state(state)
    if received.serializer in _NOT_FOR_PEERS:
        received = received.__replace__(serializer=None)
    return make_proxy(received)


classes.set_reference_hooks(encode=_encode_reference, decode=_decode_reference)
