"""What a hook or a check is told about a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..context import call_state, current_context
from ..wire import FLAG_ONEWAY
from .calls import GET_ATTRIBUTE, SET_ATTRIBUTE

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from .calls import Call
    from .client import ClientConnection
    from .identity import Identity
    from .registry import Registration

__all__ = ["Access", "CallDetails", "access_of"]

Access = Literal["call", "read", "write"]
"""What is done with a member: a method is called, an attribute read or written."""

_ACCESS: dict[str, tuple[Access, int]] = {
    GET_ATTRIBUTE: ("read", 1),
    SET_ATTRIBUTE: ("write", 2),
}


def access_of(call: Call) -> tuple[Access, str, Sequence[Any]]:
    """Return what a call does, with which member, and with which arguments.

    One that is malformed is taken for a call of a method that does not exist.
    """
    access, count = _ACCESS.get(call.method, ("call", -1))
    args = call.args
    if len(args) == count and type(args[0]) is str:
        return access, args[0], args[1:]
    return "call", call.method, args


class CallDetails:
    """One call, as hooks and checks see it.

    It can be a key in a dictionary: a hook that keeps something from the beginning of
    a call to its end keeps it there.

    Attributes:
        object_id: the id of the object, as the client gave it.
        object_class: the class of the object; None if there is no such object.
        name: the name of the method or attribute, as the client gave it.
        access: ``"call"``, ``"read"`` or ``"write"``.
        exposed: whether the object has such a member. If not, the call will fail.
        args: the positional arguments; for a write, the value alone.
        kwargs: the keyword arguments.
        client: the connection.
        batch: whether the call is one of a batch.
    """

    __slots__ = (
        "__weakref__",
        "_state",
        "access",
        "args",
        "batch",
        "client",
        "exposed",
        "kwargs",
        "name",
        "object_class",
        "object_id",
    )

    def __init__(
        self,
        client: ClientConnection,
        call: Call,
        registration: Registration | None,
        *,
        batch: bool = False,
    ) -> None:
        self.client: ClientConnection = client
        self.object_id: str = call.object_id
        self.access: Access
        self.name: str
        self.args: Sequence[Any]
        self.access, self.name, self.args = access_of(call)
        self.kwargs: Mapping[str, Any] = call.kwargs or {}
        self.batch: bool = batch
        self.object_class: type | None = None
        self.exposed: bool = False
        if registration is not None:
            self.object_class = registration.clazz
            members = registration.members
            table = members.methods if self.access == "call" else members.attributes
            self.exposed = self.name in table
        self._state = call_state.get()

    @property
    def identity(self) -> Identity | None:
        """Who calls, if the server has found that out."""
        return self.client.identity

    @property
    def correlation_id(self) -> uuid.UUID | None:
        """The id of the call; one that came without gets a random one."""
        token = call_state.set(self._state)
        try:
            return current_context.correlation_id
        finally:
            call_state.reset(token)

    @property
    def annotations(self) -> Mapping[str, Any]:
        """What came with the request beside the arguments."""
        return (self._state and self._state.annotations) or {}

    @property
    def oneway(self) -> bool:
        """Whether the client does not wait for the outcome."""
        state = self._state
        return state is not None and bool(state.message_flags & FLAG_ONEWAY)

    def __repr__(self) -> str:
        return f"<{self.access} {self.object_id}.{self.name} by {self.client!r}>"
