"""Objects of clients that methods call: stand-ins for what clients have passed.

They travel with the native format only, over the connection that the client has made,
and mean something as long as that lasts.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NoReturn
from weakref import WeakValueDictionary

from pyro_protocol.context import call_state
from pyro_protocol.dispatch.calls import GET_ATTRIBUTE, SET_ATTRIBUTE
from pyro_protocol.errors import (
    PyroError,
    SerializeError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.references import CallbackState, UnboundReferenceError
from pyro_protocol.session.capabilities import CALLBACKS, CANCEL
from pyro_protocol.wire import FLAG_ONEWAY, NO_ANNOTATIONS, Annotations

from .links import NATIVE_ID
from .waiting import TaskWaiter, ThreadWaiter, Waiter, in_event_loop, shorter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from pyro_protocol.wire import Frame, Payload

    from .links import Link

__all__ = ["MOST_CALLBACKS", "Callback", "CallbackTable"]

MOST_CALLBACKS: Final = 10_000
"""Objects of one client that methods may hold at the same time: a program passes a
few, and each costs some hundred bytes here."""

_CLIENT_OBJECT: Final = "Pyro.Client"
_CALL: Final = "__call__"


class Callback:
    """Stands for a function, or an object, that a client has passed.

    ``callback(x)`` calls a function, ``callback.method(x)`` a method of an object, and
    ``callback.name`` reads an attribute. In a thread that waits for the answer; where
    an event loop runs, as in ``async def`` methods, it is to be awaited. It may be
    kept, and called by any thread, until the client goes. Given back to that client,
    it is the client's own object again.

    Calls raise:
        ConnectionClosedError: the client has gone.
        TimeoutError: it has not answered in the time that the caller of the method,
            or the configuration item COMMTIMEOUT, allows.
        Exception: whatever the client's function raised.
    """

    __slots__ = ("__weakref__", "_state", "_table", "_times")

    _state: CallbackState
    _table: CallbackTable
    _times: int

    def __init__(self, table: CallbackTable, state: CallbackState) -> None:
        for name, value in (("_table", table), ("_state", state), ("_times", 1)):
            object.__setattr__(self, name, value)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call what the client has passed."""
        return self._method(_CALL)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        """Return a method of the client's object, or read an attribute."""
        state = self._state
        if name in state.methods and not name.startswith("_"):
            return self._method(name)
        if name in state.attributes and not name.startswith("_"):
            return self._table.call(state.object_id, GET_ATTRIBUTE, (name,), None)
        raise AttributeError(
            f"the client's object has no method or attribute {name!r}; it has "
            f"{', '.join(sorted(state.methods | state.attributes)) or 'none'}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        """Write an attribute of the client's object."""
        state = self._state
        if name not in state.attributes or name.startswith("_"):
            raise AttributeError(f"the client's object has no attribute {name!r}")
        if in_event_loop():
            raise AttributeError(
                f"setting {name!r} would hold up the event loop that runs in this "
                "thread; have the client's object offer a method for it"
            )
        self._table.call(state.object_id, SET_ATTRIBUTE, (name, value), None)

    def _method(self, name: str) -> Callable[..., Any]:
        state = self._state
        if name not in state.methods:
            raise TypeError(
                "the client's object cannot be called; it has the methods "
                f"{', '.join(sorted(state.methods)) or 'none'}"
            )
        table, oneway = self._table, name in state.oneway

        def call(*args: Any, **kwargs: Any) -> Any:
            # So that the client knows the object for as long as this is called.
            return table.call(self._state.object_id, name, args, kwargs, oneway=oneway)

        return call

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Callback):
            return NotImplemented
        return (
            self._table is other._table
            and self._state.object_id == other._state.object_id
        )

    def __hash__(self) -> int:
        return hash((id(self._table), self._state.object_id))

    def __getstate__(self) -> NoReturn:
        raise UnboundReferenceError(
            f"{self!r} belongs to the connection of its client, and cannot be sent to "
            "anybody else"
        )

    def __reduce__(self) -> NoReturn:
        self.__getstate__()

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *self._state.methods, *self._state.attributes]

    def __del__(self) -> None:
        self._table.drop(self._state.object_id, self._times)

    def __repr__(self) -> str:
        return f"<callback {self._state.object_id} of {self._table.client!r}>"


class _Pending:
    """A callback that waits for its answer.

    Attributes:
        waiter: who waits.
        answer: what has come.
    """

    __slots__ = ("answer", "waiter")

    def __init__(self, waiter: Waiter) -> None:
        self.waiter = waiter
        self.answer: Frame | None = None


class _Request:
    """A callback as it is sent.

    Attributes:
        name: what is called, for people.
        payload: the call.
        flags: the flags of the message.
        annotations: what is sent along.
        correlation: 16 bytes, or None.
        timeout: how many seconds there are, or None.
    """

    __slots__ = ("annotations", "correlation", "flags", "name", "payload", "timeout")

    def __init__(self, name: str, payload: Payload, flags: int) -> None:
        self.name = name
        self.payload = payload
        self.flags = flags
        self.annotations: Annotations = NO_ANNOTATIONS
        self.correlation: bytes | None = None
        self.timeout: float | None = None


class _Sent:
    """What there is to await of a call that waits for nothing."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return None
        yield


class CallbackTable:
    """The objects of one client, and the calls to them.

    Args:
        link: the connection.
        encode: writes a call in the native format.
        read: returns or raises what an answer says.
    """

    __slots__ = (
        "_calls",
        "_dropped",
        "_encode",
        "_known",
        "_link",
        "_queue",
        "_read",
    )

    def __init__(
        self,
        link: Link,
        encode: Callable[..., Payload],
        read: Callable[[Frame], Any],
    ) -> None:
        self._link = link
        self._encode = encode
        self._read = read
        self._known: WeakValueDictionary[str, Callback] = WeakValueDictionary()
        self._calls: dict[int, _Pending] = {}
        # Those that wait until fewer calls are in flight.
        self._queue: deque[Waiter] = deque()
        self._dropped: deque[tuple[str, int]] = deque()

    @property
    def client(self) -> Any:
        """The client."""
        return self._link.connection.client

    @property
    def calls(self) -> int:
        """How many calls the client has not answered."""
        return len(self._calls)

    def __len__(self) -> int:
        return len(self._known)

    def stand_in(self, state: CallbackState) -> Callback:
        """Return what stands for an object of the client.

        Raises:
            SerializeError: there can be none.
        """
        link = self._link
        if CALLBACKS not in link.session.capabilities:
            raise SerializeError(
                "a callback cannot be an argument: the capability 'callbacks' is not "
                "in force on this connection"
            )
        with link.lock:
            known = self._known.get(state.object_id)
            if known is None:
                if len(self._known) >= MOST_CALLBACKS:
                    raise SerializeError(
                        "too many callbacks of this connection are held "
                        f"(max={MOST_CALLBACKS}); drop some first"
                    )
                known = self._known[state.object_id] = Callback(self, state)
            else:
                object.__setattr__(known, "_times", known._times + 1)  # noqa: SLF001 - of this module
        return known

    def state_of(self, callback: Callback) -> CallbackState:
        """Return what travels for a stand-in, back to its client.

        Raises:
            SerializeError: it belongs to another client.
        """
        if callback._table is not self:  # noqa: SLF001 - of this module
            raise SerializeError(
                f"{callback!r} belongs to another client, and cannot be sent to "
                f"{self.client!r}"
            )
        return callback._state  # noqa: SLF001 - of this module

    def call(
        self,
        object_id: str,
        method: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        *,
        oneway: bool = False,
    ) -> Any:
        """Call an object of the client.

        Returns:
            The result; where an event loop runs in this thread, what is to be
            awaited for it.

        Raises:
            ConnectionClosedError: the client has gone.
            TimeoutError: it did not answer in time.
            Exception: whatever its method raised.
        """
        payload = self._encode(object_id, method, args, kwargs)
        name = f"{object_id}.{args[0] if kwargs is None else method}"
        request = _Request(name, payload, FLAG_ONEWAY if oneway else 0)
        request.timeout = shorter(self._link.host.settings.COMMTIMEOUT or None)
        state = call_state.get()
        if state is not None:
            request.annotations = state.own_annotations or NO_ANNOTATIONS
            request.correlation = state.correlation
        if oneway:
            self._send(request, None)
            return _Sent() if in_event_loop() else None
        if in_event_loop():
            return self._call_later(request)
        return self._call_now(request)

    def _call_now(self, request: _Request) -> Any:
        while True:
            waiter = ThreadWaiter()
            pending = self._send(request, waiter)
            if not self._link.wait(waiter, request.timeout):
                self._give_up(pending, waiter)
                raise _too_late(request)
            if pending is not None:
                return self._outcome(pending)
            request.timeout = shorter(request.timeout)

    async def _call_later(self, request: _Request) -> Any:
        import asyncio  # noqa: PLC0415 - the caller has it already

        while True:
            waiter = TaskWaiter()
            pending = self._send(request, waiter)
            try:
                in_time = await waiter.wait(request.timeout)
            except asyncio.CancelledError:
                self._give_up(pending, waiter)
                raise
            if not in_time:
                self._give_up(pending, waiter)
                raise _too_late(request)
            if pending is not None:
                return self._outcome(pending)
            request.timeout = shorter(request.timeout)

    def _send(self, request: _Request, waiter: Waiter | None) -> _Pending | None:
        """Send a call; None if there is no room for it, or nothing to wait for.

        Whoever waits is woken then as soon as there may be room.
        """
        link = self._link
        session = link.session
        annotations = request.annotations
        if request.timeout is not None:
            if request.timeout <= 0:
                raise _too_late(request)
            annotations = session.with_deadline(annotations, request.timeout)
        pending = None
        with link.lock:
            if link.lost or session.closing:
                raise link.closed_error()
            if waiter is not None and not session.free_slots:
                self._queue.append(waiter)
                return None
            try:
                number = session.send_request(
                    NATIVE_ID,
                    request.payload,
                    request.flags,
                    annotations,
                    request.correlation,
                )
            except PyroError:
                # The room that there was for it is for the next one.
                self._wake_next()
                raise
            if waiter is not None:
                pending = self._calls[number] = _Pending(waiter)
        link.flush()
        return pending

    def _give_up(self, pending: _Pending | None, waiter: Waiter) -> None:
        """Take note that nobody waits for an answer any more."""
        link = self._link
        session = link.session
        with link.lock:
            if pending is None:
                if waiter in self._queue:
                    self._queue.remove(waiter)
                else:
                    self._wake_next()
                return
            if pending.answer is not None:
                self._drop_answer(pending.answer)
            for number, one in self._calls.items():
                if one is pending:
                    # Its number is not free before the answer has come.
                    if CANCEL in session.capabilities:
                        session.send_cancel(number)
                    del self._calls[number]
                    break
        link.flush()

    def _outcome(self, pending: _Pending) -> Any:
        if pending.answer is None:
            raise self._link.closed_error()
        return self._read(pending.answer)

    def answered(self, frame: Frame) -> None:
        """Take in an answer of the client; the lock is held."""
        pending = self._calls.pop(frame.sequence, None)
        if pending is None:
            self._drop_answer(frame)
        else:
            pending.answer = frame
            pending.waiter.wake()
        self._wake_next()

    def _drop_answer(self, frame: Frame) -> None:
        session = self._link.session
        number = session.stream_number(frame)
        if number is not None:
            session.close_stream(number)

    def _wake_next(self) -> None:
        if self._queue:
            self._queue.popleft().wake()

    def drop(self, object_id: str, times: int) -> None:
        """Have the client told that a stand-in is not used any more; any thread."""
        if not self._link.lost:
            self._dropped.append((object_id, times))
            self._link.attend()

    def release_dropped(self) -> None:
        """Tell the client which of its objects are not used any more."""
        dropped = []
        while self._dropped:
            dropped.append(self._dropped.popleft())
        if dropped:
            payload = self._encode(_CLIENT_OBJECT, "release", (dropped,), {})
            with self._link.lock:
                if not (self._link.lost or self._link.session.closing):
                    self._link.session.send_request(NATIVE_ID, payload, FLAG_ONEWAY)

    def abandon(self) -> None:
        """Have all that wait for answers fail; the lock is held."""
        calls, self._calls = self._calls, {}
        for pending in calls.values():
            pending.waiter.wake()
        while self._queue:
            self._wake_next()


def _too_late(request: _Request) -> TimeoutError:
    return TimeoutError(
        f"the client has not answered the call of its {request.name} in time"
    )
