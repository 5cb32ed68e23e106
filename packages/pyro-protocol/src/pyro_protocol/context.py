"""The context of a call: who calls, and what travels beside the arguments.

Built on ``contextvars``, so that it is right in threads, in asyncio tasks and
in worker pools: each of them sees the call it is working on.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .errors import PyroError

if TYPE_CHECKING:
    import uuid
    import weakref
    from collections.abc import Mapping
    from typing import Protocol

    class _Deadline(Protocol):
        def remaining(self) -> float: ...


__all__ = [
    "CallContext",
    "CallState",
    "call_state",
    "concerns_calls",
    "current_context",
]

Annotations = dict[str, Any]


class CallState:
    """What is known about one call; the hosts make one for each request.

    Attributes:
        own_annotations: what calls made here will send. What came with a request
            is for the method to read, and is not passed on.
        deadline: when the caller stops waiting, or None.
        time_limit: how many seconds a call made here may take, whatever its proxy
            says; infinity for no bound, None to leave it to the proxy.
    """

    __slots__ = (
        "annotations",
        "client",
        "correlation",
        "deadline",
        "message_flags",
        "own_annotations",
        "response_annotations",
        "sequence",
        "serializer_id",
        "time_limit",
    )

    def __init__(
        self,
        client: Any = None,
        sequence: int = 0,
        message_flags: int = 0,
        serializer_id: int = 0,
        annotations: Mapping[str, Any] | None = None,
        correlation: bytes | None = None,
    ) -> None:
        self.client: Any = client
        self.sequence: int = sequence
        self.message_flags: int = message_flags
        self.serializer_id: int = serializer_id
        self.annotations: Mapping[str, Any] | None = annotations
        self.own_annotations: Annotations | None = None
        self.correlation: bytes | None = correlation
        self.response_annotations: Annotations | None = None
        self.deadline: _Deadline | None = None
        self.time_limit: float | None = None


call_state: ContextVar[CallState | None] = ContextVar("pyro_call_state", default=None)
"""The state of the call in hand; None in a program that is not serving one."""


def concerns_calls(state: CallState) -> bool:
    """Whether something about the call in hand concerns those that it makes."""
    return bool(
        state.own_annotations
        or state.correlation is not None
        or state.time_limit is not None
        or state.deadline is not None
        # What the last answer brought is to be forgotten.
        or (state.client is None and state.response_annotations)
    )


def _state() -> CallState:
    state = call_state.get()
    if state is None:
        state = CallState()
        call_state.set(state)
    return state


def _changing() -> CallState:
    """Return a state that may be changed without another task noticing.

    A task begins with the state of the one that started it. That of a request is
    shared on purpose: the host, which sends the answer, has to see the changes.
    """
    state = call_state.get()
    if state is None or state.client is None:
        before = state
        state = CallState()
        if before is not None:
            for name in CallState.__slots__:
                setattr(state, name, getattr(before, name))
        call_state.set(state)
    return state


class CallContext:
    """The documented view of the call in hand; use it through ``current_context``.

    In an exposed method it tells about the request being served. In a client it
    holds the annotations and the correlation id to send, and the annotations of
    the last reply.
    """

    __slots__ = ()

    @property
    def client(self) -> Any:
        """The connection the request came over, or None outside a request."""
        state = call_state.get()
        return None if state is None else state.client

    @client.setter
    def client(self, value: Any) -> None:
        _changing().client = value

    @property
    def client_sock_addr(self) -> Any:
        """The address of the peer that sent the request, or None."""
        return getattr(self.client, "peer_address", None)

    @property
    def seq(self) -> int:
        """The sequence number of the request."""
        state = call_state.get()
        return 0 if state is None else state.sequence

    @seq.setter
    def seq(self, value: int) -> None:
        _changing().sequence = value

    @property
    def msg_flags(self) -> int:
        """The flags of the request."""
        state = call_state.get()
        return 0 if state is None else state.message_flags

    @msg_flags.setter
    def msg_flags(self, value: int) -> None:
        _changing().message_flags = value

    @property
    def serializer_id(self) -> int:
        """The id of the serializer the request was made with."""
        state = call_state.get()
        return 0 if state is None else state.serializer_id

    @serializer_id.setter
    def serializer_id(self, value: int) -> None:
        _changing().serializer_id = value

    @property
    def annotations(self) -> Mapping[str, Any]:
        """In a method, what came with the request; in a client, what calls send.

        A method that wants to send annotations with calls of its own assigns
        them here. Those of the request are not passed on by themselves.
        """
        state = _state()
        if state.own_annotations is not None:
            return state.own_annotations
        if state.client is not None:
            return state.annotations or {}
        state.own_annotations = {}
        return state.own_annotations

    @annotations.setter
    def annotations(self, value: Mapping[str, Any]) -> None:
        _changing().own_annotations = dict(value)

    @property
    def response_annotations(self) -> Annotations:
        """In a method, what the reply will carry; in a client, what it carried."""
        state = _state()
        if state.response_annotations is None:
            state.response_annotations = {}
        return state.response_annotations

    @response_annotations.setter
    def response_annotations(self, value: Mapping[str, Any]) -> None:
        _changing().response_annotations = dict(value)

    @property
    def correlation_id(self) -> uuid.UUID | None:
        """The id that ties together the calls made on behalf of one request.

        A request that came without one gets a random id when it is first asked
        for. In a client it is None until the program sets it.
        """
        state = call_state.get()
        if state is None or (state.correlation is None and state.client is None):
            return None
        import uuid  # noqa: PLC0415 - many programs do without

        if state.correlation is None:
            state.correlation = uuid.uuid4().bytes
        return uuid.UUID(bytes=state.correlation)

    @correlation_id.setter
    def correlation_id(self, value: uuid.UUID | None) -> None:
        _changing().correlation = None if value is None else value.bytes

    @property
    def remaining(self) -> float | None:
        """How many seconds the caller still waits for the answer.

        0 when its time is used up; None if it has set no limit, or does not tell, as
        Pyro5 clients do not. Calls made here wait no longer than this.
        """
        state = call_state.get()
        if state is None or state.deadline is None:
            return None
        return state.deadline.remaining()

    def track_resource(self, resource: Any) -> None:
        """Have ``resource.close()`` called when the client's connection ends.

        Only a weak reference to the resource is kept.

        Raises:
            PyroError: no request is being served.
        """
        self._tracked().add(resource)

    def untrack_resource(self, resource: Any) -> None:
        """Forget a resource given to `track_resource`.

        Raises:
            PyroError: no request is being served.
        """
        self._tracked().discard(resource)

    def _tracked(self) -> weakref.WeakSet[Any]:
        client = self.client
        if client is None:
            raise PyroError("resources can only be tracked while serving a request")
        tracked: weakref.WeakSet[Any] = client.tracked_resources
        return tracked

    def to_global(self) -> dict[str, Any]:
        """Return the context as a dict that another thread can take over."""
        state = _state()
        return {name: getattr(state, name) for name in CallState.__slots__}

    def from_global(self, values: Mapping[str, Any]) -> None:
        """Take over a context made by `to_global`, in this thread or task."""
        state = CallState()
        for name in CallState.__slots__:
            setattr(state, name, values[name])
        call_state.set(state)


current_context: CallContext = CallContext()
"""The context of the call in hand, in this thread or task."""
