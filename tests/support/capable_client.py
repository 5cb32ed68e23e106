"""A client that takes streams in chunks, sends streams, and can be called back."""

from __future__ import annotations

import select
from collections import deque
from typing import TYPE_CHECKING, Any

from pyro_protocol.references import (
    CallbackState,
    StreamState,
    connection_references,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    UNBOUNDED,
    CallCancelled,
    StreamClosed,
    StreamCredited,
    StreamEnded,
    StreamItems,
    StreamWants,
    read_end,
    read_reply,
)
from pyro_protocol.session.capabilities import SUPPORTED_CAPABILITIES
from pyro_protocol.wire import FLAG_ONEWAY, Frame, MessageType

from .concurrent_client import ConcurrentClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyro_protocol import URI
    from pyro_protocol.dispatch import Call

__all__ = ["CapableClient", "Taken"]

NATIVE = serializers["native"]


class Taken:
    """A stream that is received in chunks.

    Attributes:
        number: its number.
        stream_id: what its items can be fetched by instead.
        items: what has arrived and was not taken.
        chunks: how many items each message had.
        end: how it ended, if it has.
        wants: what was told of items that are too large.
    """

    def __init__(self, client: CapableClient, number: int, stream_id: str) -> None:
        self._client = client
        self.number = number
        self.stream_id = stream_id
        self.items: deque[Any] = deque()
        self.chunks: list[int] = []
        self.end: StreamEnded | None = None
        self.wants: list[StreamWants] = []

    def grant(self, items: int, size: int = UNBOUNDED) -> None:
        """Allow more to be sent."""
        self._client.session.grant(self.number, items, size)
        self._client.flush()

    def close(self) -> None:
        """Ask for no more."""
        self._client.session.close_stream(self.number)
        self._client.flush()

    def next(self) -> Any:
        """Wait for an item, and return it; raise StopIteration at the end."""
        while not self.items:
            if self.end is not None:
                raise StopIteration(read_end(self.end, NATIVE))
            self._client.receive()
        return self.items.popleft()

    def all(self) -> tuple[list[Any], Any]:
        """Wait for all items, and return them, and what the generator returned."""
        items = []
        while True:
            try:
                items.append(self.next())
            except StopIteration as end:
                return items, end.value


class CapableClient(ConcurrentClient):
    """A client with streams and callbacks, one step at a time.

    Callables among the arguments of calls are callbacks, and iterators are streams.

    Attributes:
        asked: the callbacks that have not been answered, with their frames.
        released: what the server has dropped.
        cancelled: which callbacks the server wants no answer to.
        given: the iterators that were passed, by the numbers of their streams.
        closed: the numbers of those that the server has closed.
        credited: the numbers of those that it has granted something of.
        gives: whether their items are sent.
    """

    def __init__(
        self,
        uri: URI,
        capabilities: Iterable[str] | None = None,
        most_callbacks: int = 1000,
    ) -> None:
        self.taken: dict[int, Taken] = {}
        self.given: dict[int, Iterator[Any]] = {}
        self.closed: list[int] = []
        self.asked: deque[tuple[Frame, Call]] = deque()
        self.released: list[tuple[str, int]] = []
        self.functions: dict[str, Any] = {}
        self.answers_callbacks = True
        self.cancelled: list[int] = []
        self.credited: list[int] = []
        self.gives = True
        super().__init__(
            uri, capabilities or SUPPORTED_CAPABILITIES, most_callbacks=most_callbacks
        )

    def encode(self, obj: Any) -> StreamState | CallbackState | None:
        """Return what travels for a function or an iterator."""
        if hasattr(obj, "__next__"):
            number = self.session.open_stream(NATIVE)
            self.given[number] = obj
            return StreamState(number)
        if callable(obj):
            identifier = f"f{id(obj)}"
            self.functions[identifier] = obj
            oneway = {"__call__"} if getattr(obj, "oneway", False) else set()
            return CallbackState(
                identifier, frozenset({"__call__"}), frozenset(oneway), frozenset()
            )
        return None

    def decode(self, state: StreamState | CallbackState) -> object:
        """Return the function that came back."""
        assert isinstance(state, CallbackState)
        return self.functions[state.object_id]

    def send(self, *args: Any, **kwargs: Any) -> int:
        """Send a call and return its sequence number."""
        before = set(self.given)
        token = connection_references.set(self)
        try:
            session, flush = self.session, self.flush
            self.flush = lambda: None  # type: ignore[method-assign] # until it is noted
            number = super().send(*args, **kwargs)
        finally:
            self.flush = flush  # type: ignore[method-assign]
            connection_references.reset(token)
        streams = sorted(set(self.given) - before)
        if streams:
            session.attach_streams(number, streams)
        self.flush()
        return number

    def answer(self, number: int) -> Any:
        """Wait for the answer to a call, and return or raise what it says."""
        token = connection_references.set(self)
        try:
            return super().answer(number)
        finally:
            connection_references.reset(token)

    def start(self, method: str, *args: object) -> Taken:
        """Call a method that returns a stream, to be taken in chunks."""
        return self.stream_of(self.send(method, *args))

    def stream_of(self, call: int) -> Taken:
        """Wait for the answer to a call, which is a stream, to be taken in chunks."""
        while call not in self._answers:
            self.receive()
        frame = self._answers.pop(call)
        number = self.session.stream_number(frame)
        if number is None:
            read_reply(frame, NATIVE.id)
        assert number is not None, "the answer is no stream in chunks"
        stream_id = str(frame.annotations["STRM"], "ascii")
        taken = self.taken[number] = Taken(self, number, stream_id)
        return taken

    def receive(self) -> None:
        """Take in what arrives next, act on it, and answer callbacks."""
        data = self.sock.recv(65536)
        if data:
            self.session.receive_data(data)
        else:
            self.session.receive_eof()
        for signal in self.session.signals_received():
            self._act_on(signal)
        for event in self.session.events_received():
            if not isinstance(event, Frame):
                self._accepted = True
            elif event.kind == MessageType.RESULT:
                self._answers[event.sequence] = event
            else:
                self._called(event)
        self.flush()

    def poll(self) -> None:
        """Take in what has arrived already, if anything has."""
        readable, _, _ = select.select([self.sock], [], [], 0)
        if readable:
            self.receive()

    def _act_on(self, signal: Any) -> None:
        if isinstance(signal, StreamItems):
            taken = self.taken[signal.number]
            taken.chunks.append(len(signal.items))
            taken.items.extend(map(NATIVE.loads, signal.items))
        elif isinstance(signal, StreamEnded):
            self.taken[signal.number].end = signal
        elif isinstance(signal, StreamWants):
            self.taken[signal.number].wants.append(signal)
        elif isinstance(signal, StreamCredited):
            self.credited.append(signal.number)
            if self.gives:
                self._give(signal.number)
        elif isinstance(signal, CallCancelled):
            self.cancelled.append(signal.sequence)
        elif isinstance(signal, StreamClosed):
            self.closed.append(signal.number)
            close = getattr(self.given.get(signal.number), "close", None)
            if close is not None:
                close()
            self.session.end_stream(signal.number)

    def _give(self, number: int) -> None:
        items = self.given.get(number)
        while items is not None and self.session.can_produce(number):
            try:
                value = next(items)
            except StopIteration as end:
                self.session.end_stream(number, end.value)
                return
            except Exception as error:  # noqa: BLE001 - it is for the server
                self.session.fail_stream(number, error)
                return
            self.session.send_item(number, value)

    def _called(self, frame: Frame) -> None:
        token = connection_references.set(self)
        try:
            call = self.session.read_call(frame)
        finally:
            connection_references.reset(token)
        if call.object_id == "Pyro.Client":
            self.released += map(tuple, call.args[0])
        elif self.answers_callbacks:
            self.carry_out(frame, call)
        else:
            self.asked.append((frame, call))

    def carry_out(self, frame: Frame, call: Call) -> None:
        """Answer a callback."""
        function: Callable[..., Any] = self.functions[call.object_id]
        try:
            result = function(*call.args, **(call.kwargs or {}))
        except Exception as error:  # noqa: BLE001 - it is for the server
            self.session.send_exception(frame, error)
        else:
            if not frame.flags & FLAG_ONEWAY:
                self.session.send_result(frame, result)
        self.flush()

    def wait_for_call(self) -> tuple[Frame, Call]:
        """Wait for a callback that is not answered by itself, and return it."""
        while not self.asked:
            self.receive()
        return self.asked.popleft()
