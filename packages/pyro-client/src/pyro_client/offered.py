"""The objects of a client that its server may call."""

from __future__ import annotations

from functools import partial
from itertools import count
from threading import RLock
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.contract import expose, members_of, oneway
from pyro_protocol.dispatch import ObjectRegistry
from pyro_protocol.errors import SerializeError
from pyro_protocol.references import CallbackState

if TYPE_CHECKING:
    from pyro_protocol.contract import Members

__all__ = ["CLIENT_OBJECT", "OfferedObjects", "can_be_called"]

CLIENT_OBJECT: Final = "Pyro.Client"
"""The object of a client that a server tells which callbacks it has dropped."""

_FUNCTIONS: Final = (FunctionType, BuiltinFunctionType, MethodType, partial)
_CALL: Final = "__call__"


class OfferedObjects:
    """The objects of one connection that its server may call.

    An object is kept until the server has dropped it as often as it was sent, or
    the connection has ended. Any thread may use this.

    Attributes:
        registry: the objects by id; what carries out calls looks there.
    """

    def __init__(self) -> None:
        # Re-entrant, since finalizers may run, and send something, at any moment.
        self._lock = RLock()
        self.registry: ObjectRegistry = ObjectRegistry(RLock)
        self._numbers = count(1)
        # By the id of the object: what it is, and how often it was sent.
        self._objects: dict[str, Any] = {}
        self._sent: dict[str, int] = {}
        # The id of each object by what tells it apart.
        self._ids: dict[object, str] = {}
        self.registry.register(_ClientObject(self), CLIENT_OBJECT)

    def __len__(self) -> int:
        return len(self._objects)

    def offer(self, obj: Any) -> CallbackState | None:
        """Keep an object for the server, and return what travels for it.

        None is for what cannot be called: a value, or an object of which nothing is
        exposed.
        """
        if not can_be_called(obj):
            return None
        function = isinstance(obj, _FUNCTIONS)
        with self._lock:
            key = _key_of(obj)
            object_id = self._ids.get(key)
            if object_id is None:
                object_id = f"callback{next(self._numbers)}"
                self.registry.register(
                    obj, object_id, force=True, expose=(_CALL,) if function else None
                )
                self._ids[key] = object_id
                self._objects[object_id] = obj
                self._sent[object_id] = 0
            self._sent[object_id] += 1
            registration = self.registry.get(object_id)
        assert registration is not None  # noqa: S101 - it was just found or made
        return _state_of(object_id, registration.members, obj)

    def take_back(self, object_id: str) -> None:
        """Take note that an object was not sent after all."""
        self.release(object_id, 1)

    def release(self, object_id: str, times: int) -> None:
        """Forget an object that the server has dropped as often as it was sent."""
        with self._lock:
            sent = self._sent.get(object_id)
            if sent is None:
                return
            if times < sent:
                self._sent[object_id] = sent - times
                return
            del self._sent[object_id]
            self._ids.pop(_key_of(self._objects.pop(object_id)), None)
            self.registry.unregister(object_id)

    def find(self, object_id: str) -> Any:
        """Return an object that came back from the server.

        Raises:
            SerializeError: no such object was sent.
        """
        try:
            return self._objects[object_id]
        except KeyError:
            raise SerializeError(
                f"the server returned object {object_id!r}, which was not sent to it"
            ) from None

    def clear(self) -> None:
        """Forget all of them: the connection has ended."""
        with self._lock:
            for object_id in list(self._sent):
                self.release(object_id, self._sent[object_id])


class _ClientObject:
    """What the server tells the client."""

    def __init__(self, offered: OfferedObjects) -> None:
        self._offered = offered

    @expose
    @oneway
    def release(self, dropped: list[tuple[str, int]]) -> None:
        """Forget objects; each comes with how often the server has received it."""
        for object_id, times in dropped:
            if times > 0:
                self._offered.release(object_id, times)


def can_be_called(obj: object) -> bool:
    """Whether an object is a function, or has something exposed."""
    if isinstance(obj, _FUNCTIONS):
        return True
    members = members_of(type(obj))
    return bool(members.methods or members.attributes)


def _key_of(obj: Any) -> object:
    """Return what tells an object apart; each access makes another bound method."""
    if isinstance(obj, MethodType):
        return id(obj.__self__), id(obj.__func__)
    if isinstance(obj, BuiltinFunctionType):
        return id(obj.__self__), obj.__name__
    return id(obj)


def _state_of(object_id: str, members: Members, obj: Any) -> CallbackState:
    offer = members.offer
    names = frozenset(offer["oneway"])
    if getattr(obj, "_pyroOneway", False) is True:
        names |= {_CALL}
    return CallbackState(
        object_id, frozenset(offer["methods"]), names, frozenset(offer["attrs"])
    )
