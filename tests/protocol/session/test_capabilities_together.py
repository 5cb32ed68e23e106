"""All capabilities at once, over bytes that arrive in any pieces."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from protocol.conversation import Pair
from pyro_protocol.dispatch import StreamStarted
from pyro_protocol.errors import CallCancelledError
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    UNBOUNDED,
    CallCancelled,
    ClientSession,
    ServerSession,
    SessionSettings,
    StreamClosed,
    StreamEnded,
    StreamItems,
    StreamWants,
    read_end,
    read_reply,
)
from pyro_protocol.wire import Frame, MessageType

NATIVE = serializers["native"]
WINDOW = 4
STREAMS = 3

Session = ClientSession | ServerSession


@dataclass
class Stream:
    """A stream, seen from both sides."""

    number: int
    produced: list[Any] = field(default_factory=list)
    received: list[Any] = field(default_factory=list)
    ended_there: bool = False
    ended_here: bool = False
    closed: bool = False
    final: object = None


class Side:
    """One end: its session, what it has been asked, and its streams."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.under_way = b""
        self.calls: dict[int, int] = {}
        self.answered = 0
        self.cancelled: set[int] = set()
        self.requests: dict[int, Frame] = {}
        # The streams that are consumed here, by number.
        self.consumed: dict[int, Stream] = {}
        self.announced: dict[int, Stream] = {}


class Conversations(RuleBasedStateMachine):
    """A client and a server that use everything, at random."""

    @initialize()
    def connect(self) -> None:
        limits = SessionSettings(max_in_flight=WINDOW, max_streams=STREAMS)
        pair = Pair(client_settings=limits, server_settings=limits)
        self.sides = (Side(pair.client), Side(pair.server))
        self.last = 0

    def both(self, which: bool) -> tuple[Side, Side]:
        """Return the one who acts, and the other."""
        return (self.sides[which], self.sides[not which])

    @rule(which=st.booleans())
    def call(self, which: bool) -> None:
        here, _there = self.both(which)
        if here.session.free_slots:
            self.last += 1
            sequence = here.session.send_call(
                NATIVE, "thing", "echo", (self.last,), {}, timeout=1
            )
            assert sequence not in here.calls
            here.calls[sequence] = self.last
        assert len(here.calls) <= WINDOW

    @rule(which=st.booleans(), data=st.data())
    def cancel(self, which: bool, data: st.DataObject) -> None:
        here, _there = self.both(which)
        if here.calls:
            sequence = data.draw(st.sampled_from(sorted(here.calls)))
            here.session.send_cancel(sequence)

    @rule(which=st.booleans(), data=st.data(), stream=st.booleans())
    def answer(self, which: bool, data: st.DataObject, stream: bool) -> None:
        here, there = self.both(which)
        if not here.requests:
            return
        sequence = data.draw(st.sampled_from(sorted(here.requests)))
        request = here.requests.pop(sequence)
        if sequence in here.cancelled:
            here.cancelled.remove(sequence)
            here.session.send_exception(request, CallCancelledError("cancelled"))
        elif stream and len(there.announced) + len(there.consumed) < STREAMS:
            number = here.session.open_stream(NATIVE)
            there.announced[number] = Stream(number)
            here.session.send_result(request, StreamStarted("some-id", number))
        else:
            (value,) = here.session.read_call(request).args
            here.session.send_result(request, value)

    @rule(which=st.booleans())
    def ping(self, which: bool) -> None:
        self.both(which)[0].session.send_ping()

    @rule(
        which=st.booleans(),
        data=st.data(),
        items=st.integers(0, 5) | st.just(UNBOUNDED),
        size=st.integers(0, 300) | st.just(UNBOUNDED),
    )
    def grant(self, which: bool, data: st.DataObject, items: int, size: int) -> None:
        here, _there = self.both(which)
        if here.consumed:
            number = data.draw(st.sampled_from(sorted(here.consumed)))
            here.session.grant(number, items, size)

    @rule(which=st.booleans(), data=st.data(), value=st.binary(max_size=100))
    def produce(self, which: bool, data: st.DataObject, value: bytes) -> None:
        here, there = self.both(which)
        streams = {**there.announced, **there.consumed}
        ready = [one for one in streams if here.session.can_produce(one)]
        if ready:
            number = data.draw(st.sampled_from(ready))
            assert here.session.send_item(number, value)
            streams[number].produced.append(value)

    @rule(which=st.booleans(), data=st.data(), final=st.integers())
    def end(self, which: bool, data: st.DataObject, final: int) -> None:
        here, there = self.both(which)
        streams = {**there.announced, **there.consumed}
        if streams:
            stream = streams[data.draw(st.sampled_from(sorted(streams)))]
            if not stream.ended_there:
                stream.ended_there, stream.final = True, final
            here.session.end_stream(stream.number, final)

    @rule(which=st.booleans(), data=st.data())
    def close(self, which: bool, data: st.DataObject) -> None:
        here, _there = self.both(which)
        if here.consumed:
            stream = here.consumed[data.draw(st.sampled_from(sorted(here.consumed)))]
            stream.closed = True
            here.session.close_stream(stream.number)

    @rule(which=st.booleans(), count=st.integers(1, 200))
    def carry(self, which: bool, count: int) -> None:
        here, there = self.both(which)
        here.under_way += b"".join(here.session.data_to_send())
        piece, here.under_way = here.under_way[:count], here.under_way[count:]
        if piece:
            there.session.receive_data(piece)
            self.take_in(there, here)

    def take_in(self, side: Side, other: Side) -> None:
        for signal in side.session.signals_received():
            if isinstance(signal, CallCancelled):
                side.cancelled.add(signal.sequence)
            elif isinstance(signal, StreamItems):
                stream = side.consumed[signal.number]
                assert not stream.closed
                stream.received += [NATIVE.loads(one) for one in signal.items]
            elif isinstance(signal, StreamEnded):
                stream = side.consumed.pop(signal.number)
                assert not stream.closed
                assert stream.received == stream.produced
                assert read_end(signal, NATIVE) == stream.final
                stream.ended_here = True
            elif isinstance(signal, StreamClosed):
                stream = other.consumed[signal.number]
                assert stream.closed
                stream.ended_there = True
                side.session.end_stream(signal.number)
            elif isinstance(signal, StreamWants):
                assert 0 < signal.missing <= signal.size
        for event in side.session.events_received():
            assert isinstance(event, Frame)
            if event.kind == MessageType.INVOKE:
                assert side.session.remaining(event) == 1
                side.requests[event.sequence] = event
                continue
            asked = side.calls.pop(event.sequence)
            number = side.session.stream_number(event)
            if number is not None:
                side.consumed[number] = side.announced.pop(number)
                continue
            with suppress(CallCancelledError):
                assert read_reply(event, NATIVE.id) == asked

    @invariant()
    def nobody_breaks_the_protocol(self) -> None:
        server = self.sides[1].session
        assert isinstance(server, ServerSession)
        assert server.error is None

    @invariant()
    def items_arrive_as_they_were_produced(self) -> None:
        for side in self.sides:
            for stream in side.consumed.values():
                count = len(stream.received)
                assert stream.received == stream.produced[:count]

    @precondition(lambda self: any(side.consumed for side in self.sides))
    @rule()
    def settle(self) -> None:
        """Let everything that is ended or closed come to its end."""
        for _ in range(4):
            self.carry(which=False, count=1 << 20)
            self.carry(which=True, count=1 << 20)
            for side in self.sides:
                for number in side.consumed:
                    side.session.grant(number, UNBOUNDED, UNBOUNDED)
        for side in self.sides:
            # Nobody hears of the end of a stream that he has closed.
            for stream in [one for one in side.consumed.values() if one.closed]:
                assert not side.session.grant(stream.number, 1, 1)
                del side.consumed[stream.number]
            for stream in side.consumed.values():
                assert not stream.ended_there
                assert stream.received == stream.produced

    def teardown(self) -> None:
        if hasattr(self, "sides"):
            self.settle()


TestConversations = Conversations.TestCase
TestConversations.settings = settings(
    max_examples=40, stateful_step_count=60, deadline=None
)
