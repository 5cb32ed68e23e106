from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.conversation import Server
from pyro_protocol import behavior, current_context, expose, requires
from pyro_protocol.context import CallState, call_state
from pyro_protocol.contract import concurrency
from pyro_protocol.contract.concurrency import SERIAL
from pyro_protocol.dispatch import (
    CallHook,
    ClientConnection,
    GateTable,
    GuardedDispatcher,
    HookTable,
)
from pyro_protocol.errors import CallCancelledError, TimeoutError  # noqa: A004 - the documented name
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    ClientSession,
    ServerConnection,
    SessionSettings,
    read_reply,
)
from pyro_protocol.session.call_table import ServedCall
from pyro_protocol.session.capabilities import (
    CANCEL,
    DEADLINE,
    HEARTBEAT,
    MULTIPLEX,
    NATIVE,
)
from pyro_protocol.session.deadlines import encode_deadline
from pyro_protocol.session.plain_calls import make_known, plain_calls
from pyro_protocol.wire import (
    FLAG_BATCH,
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    FLAG_ONEWAY,
    Decoder,
    Frame,
    MessageType,
    encode_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.dispatch.runtime import Turn

ALL = frozenset({NATIVE, MULTIPLEX, CANCEL, DEADLINE, HEARTBEAT})
INVOKE = int(MessageType.INVOKE)
KNOWN = bytes(range(16))


@expose
class Target:
    def __init__(self) -> None:
        self._level = 1
        self.calls = 0
        self.inside: Callable[[], object] = lambda: None

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    def count(self) -> int:
        self.calls += 1
        return self.calls

    def add(self, a: Any, b: Any = 1) -> Any:
        self.calls += 1
        return a + b

    def echo(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return [args, kwargs] if kwargs or len(args) != 1 else args[0]

    def fail(self, kind: Any = 0) -> None:
        self.calls += 1
        raise (ValueError, StopIteration, SystemExit, KeyError)[kind]("no")

    def items(self) -> Iterator[int]:
        self.calls += 1
        yield 1

    def context(self) -> list[Any]:
        context = current_context
        remaining = context.remaining
        return [
            context.seq,
            context.msg_flags,
            context.serializer_id,
            {name: bytes(one) for name, one in context.annotations.items()},
            remaining is not None and remaining > 0,
            context.client is not None,
        ]

    def annotate(self) -> int:
        current_context.response_annotations = {"ABCD": b"what"}
        return 1

    def huge(self) -> int:
        return 1 << 70

    def large(self) -> str:
        return "x" * 40_000

    def unspeakable(self) -> object:
        return object()

    def broken_text(self) -> str:
        return "\ud800"

    async def later(self, value: Any = None) -> Any:
        self.calls += 1
        await asyncio.sleep(0)
        return value

    def hidden_later(self) -> Any:
        return self.later(3)

    def meanwhile(self) -> object:
        return self.inside()

    def correlate(self) -> str:
        return str(current_context.correlation_id)


@expose
@behavior(instance_mode="session")
class PerSession(Target):
    pass


@expose
@behavior(instance_mode="single")
class Single(Target):
    pass


@expose
@behavior(instance_mode="percall")
class PerCall(Target):
    pass


@expose
@behavior(instance_mode="percall", instance_creator=lambda _clazz: SubCall())
class Created(Target):
    pass


@expose
class SubCall(Created):
    def add(self, a: Any, b: Any = 1) -> Any:
        return [super().add(a, b)]


@expose
@behavior(instance_mode="percall")
class Broken(Target):
    def __init__(self) -> None:
        raise ValueError("not today")


@expose
@requires("admin")
class Guarded(Target):
    pass


@expose
@concurrency("serial")
class Serial(Target):
    pass


CLASSES = {
    "session": PerSession,
    "single": Single,
    "percall": PerCall,
    "created": Created,
    "broken": Broken,
    "guarded": Guarded,
}


class Here:
    """Has everything run in the calling thread, where turns come in order."""

    async def wait_for(self, turn: Turn) -> None:
        come = asyncio.Event()
        turn.on(come.set)
        await come.wait()

    async def run(self, function: Callable[[], Any]) -> Any:
        return function()


class End:
    """One connection to a server, and the bytes that go over it."""

    def __init__(self, capabilities: frozenset[str] = ALL, *, most: int = 1000) -> None:
        settings = SessionSettings(max_in_flight=most)
        self.server = Server(settings, capabilities=capabilities | {NATIVE})
        self.target = Target()
        self.server.register(self.target, "target")
        self.server.register(Serial(), "serial")
        for name, clazz in CLASSES.items():
            self.server.register(clazz, name)
        self.gates = GateTable(threading.Lock)
        dispatcher = self.server.service.dispatcher
        dispatcher._gates, dispatcher._runtime = self.gates, Here()
        self.lock = threading.Lock()
        self.connection = ServerConnection(
            self.server.service, ClientConnection(("10.1.2.3", 4)), lock=self.lock
        )
        self.session = self.connection.session
        self.hold: list[Any] = []
        self.left: list[Any] = []
        self._connect(capabilities)
        self._plain = self._new()

    def _connect(self, capabilities: frozenset[str]) -> None:
        client = ClientSession(self.server.settings, capabilities=capabilities)
        client.send_connect(serializers["serpent"], "target", "hello")
        self.session.receive_data(b"".join(client.data_to_send()))
        for event in self.session.events_received():
            self.connection.handle(event)
        client.receive_data(b"".join(self.session.data_to_send()))
        assert client.events_received()

    def _new(self) -> Any:
        plain = plain_calls(self.connection, self.hold)
        next(plain)
        return plain

    def short(self, data: bytes) -> bytes:
        """Return what is answered by the short way, or else by the long one."""
        outcome = self.send(data)
        assert self.hold == []
        if outcome is None:
            answer = self.long(data)
            self._plain = self._new()
            return answer
        if type(outcome) is bytes:
            return outcome + b"".join(self.session.data_to_send())
        self.left.append(outcome[1])
        self.connection.beside += 1
        assert self.connection.calls is None or self.connection.calls.find(outcome[0])
        return b""

    def send(self, data: bytes) -> Any:
        """Return the outcome of the short way, as a host does it."""
        before = call_state.get()
        outcome = self._plain.send(data)
        call_state.set(before)
        return outcome

    def take(self) -> bool:
        """Take the connection over, in the midst of a call."""
        with self.lock:
            make_known(self.connection, self.hold.pop())
        return True

    def only_short(self, data: bytes) -> Any:
        """Return what is answered by the short way."""
        outcome = self.send(data)
        assert type(outcome) is bytes
        return read(outcome or b"".join(self.session.data_to_send()))

    def long(self, data: bytes) -> bytes:
        """Return what is answered by the long way."""
        self.session.receive_data(data)
        events = self.session.events_received()
        with self.lock:
            self.connection.arrived(events)
            self.connection.act_on_signals()
        for event in events:
            coroutine = self.connection.handle(event)
            if coroutine is not None:
                self.left.append(coroutine)
        return b"".join(self.session.data_to_send())

    def finish(self) -> bytes:
        """Return what is answered when all that waits has come to its end."""
        for coroutine in self.left:
            asyncio.run(coroutine)
        return b"".join(self.session.data_to_send())


def request(
    method: str,
    *args: Any,
    kwargs: Any = None,
    serializer: str = "native",
    object_id: str = "target",
    sequence: int = 5,
    flags: int = 0,
    **options: Any,
) -> bytes:
    one = serializers[serializer]
    payload = one.dumps_call(object_id, method, args, {} if kwargs is None else kwargs)
    return b"".join(encode_frame(INVOKE, one.id, flags, sequence, payload, **options))


def frames(data: bytes) -> list[Frame]:
    decoder = Decoder(1 << 30, 256, frozenset(map(int, MessageType)))
    decoder.receive_data(data)
    found = []
    while (frame := decoder.next_frame()) is not None:
        found.append(frame)
    return found


def read(answer: bytes) -> Any:
    (frame,) = frames(answer)
    return read_reply(frame, frame.serializer_id)


def told(data: bytes) -> list[Any]:
    """Return what answers tell, but for what is made at random.

    With wrong arguments, that is also the line here that called in vain.
    """
    result: list[Any] = []
    for frame in frames(data):
        payload: Any = bytes(frame.payload)
        if frame.flags & (FLAG_EXCEPTION | FLAG_BATCH) and b"TypeError" in payload:
            payload = payload[payload.rindex(b"TypeError") :]
        correlation = frame.correlation_id
        if correlation not in (None, KNOWN):
            correlation = b"new"
        result.append((*frame[:4], payload, dict(frame.annotations), correlation))
    return result


_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 66), 1 << 66)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=5,
)
_METHODS = [
    *(
        "add",
        "echo",
        "echo",
        "echo",
        "count",
        "fail",
        "items",
        "context",
        "annotate",
        "huge",
    ),
    *("large", "unspeakable", "broken_text", "later", "hidden_later", "_private"),
    *("missing", "__getattr__", "__setattr__", "__class__", "", "level"),
]
_OBJECTS = ["target"] * 5 + ["session"] * 3 + [*CLASSES, "serial", "serial", "unknown"]
_batches = st.lists(
    st.tuples(st.sampled_from(_METHODS), st.lists(_values, max_size=2), st.just({}))
    | _values,
    max_size=4,
)
_annotations = st.sampled_from(
    [
        {},
        {},
        {},
        {"DLIN": encode_deadline(60)},
        {"DLIN": encode_deadline(60)},
        {"DLIN": encode_deadline(0)},
        {"DLIN": b"short"},
        {"ABCD": b"12345678"},
        {"DLIN": encode_deadline(60), "ABCD": b""},
    ]
)


@st.composite
def _requests(draw: st.DrawFn) -> bytes:
    serializer = draw(
        st.sampled_from(["native"] * 4 + ["serpent", "json", "msgpack", "marshal"])
    )
    values = _values
    if serializer == "json":
        values = st.integers(-9, 9) | st.text(max_size=5)
    flags = draw(st.sampled_from([0] * 6 + [FLAG_BATCH, FLAG_BATCH, FLAG_ONEWAY, 0x80]))
    method = draw(st.sampled_from(_METHODS))
    if method in ("__getattr__", "__setattr__"):
        args: list[Any] = ["level", draw(values)][: draw(st.integers(0, 2))]
    else:
        args = draw(st.lists(values, max_size=3))
    kwargs = draw(
        st.sampled_from([{}, {}, {}, {"b": 2}, {"x": [1]}])
        if serializer != "native"
        else st.sampled_from([{}, {}, {}, {"b": 2}, {"x": (1,)}, {1: 2}])
    )
    if flags & FLAG_BATCH and draw(st.booleans()) and serializer != "json":
        method, args, kwargs = "<batch>", draw(_batches), {}
    try:
        data = request(
            method,
            *args,
            kwargs=kwargs,
            serializer=serializer,
            object_id=draw(st.sampled_from(_OBJECTS)),
            sequence=draw(st.integers(0, 2)),
            flags=flags,
            annotations=draw(_annotations),
            correlation_id=draw(st.sampled_from([None, None, None, KNOWN])),
            compress=draw(st.sampled_from([False, False, False, True])),
        )
    except Exception:  # noqa: BLE001 - this value does not fit this serializer
        data = request("echo", 1)
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=1)):
        if draw(st.booleans()):
            changed = bytearray(data)
            changed[place] = draw(st.integers(0, 255))
            data = bytes(changed)
    if draw(st.integers(0, 9)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    if draw(st.integers(0, 9)) == 0:
        data += draw(st.sampled_from([b"P", data, request("add", 1, 2)]))
    return data


@pytest.mark.parametrize("capabilities", [ALL, frozenset({NATIVE}), frozenset()])
def test_the_short_way_answers_as_the_long_one(capabilities: frozenset[str]) -> None:
    @settings(max_examples=70)
    @given(st.lists(_requests(), min_size=1, max_size=5))
    def compare(messages: list[bytes]) -> None:
        short, long = End(capabilities, most=2), End(capabilities, most=2)
        for message in filter(None, messages):
            assert told(short.short(message)) == told(long.long(message))
            assert short.session.state is long.session.state
            assert len(short.connection.calls or ()) == len(long.connection.calls or ())
            assert short.session._running == long.session._running
        assert told(short.finish()) == told(long.finish())
        assert short.target.calls == long.target.calls
        assert short.session.error == long.session.error
        assert len(short.gates) == len(long.gates) == 0

    compare()


@pytest.mark.parametrize("capabilities", [ALL, frozenset({NATIVE})])
@pytest.mark.parametrize(
    "message",
    [
        request("add", 2, 3),
        request("add", 2, kwargs={"b": 5}),
        request("echo", ("tuple", {1, 2})),
        request("echo", "text"),
        request("fail"),
        request("fail", 1),
        request("huge"),
        request("__getattr__", "level"),
        request("<batch>", ["add", [1, 2], {}], ["missing", [], {}], flags=FLAG_BATCH),
        request("add", 2, 3, serializer="serpent"),
        request("add", 2, 3, serializer="msgpack"),
        request("add", b"2", b"3"),
        request("add", [2], [3]),
        request("add", (2,), (3,)),
        request("echo", {"a": [1, None]}),
        request("echo", "x" * 2000),
        request("echo", b"x" * 10_000),
        request("large"),
        *(request("count", object_id=name) for name in (*CLASSES, "serial")),
        request("fail", object_id="session"),
        request("add", 2, 3, correlation_id=KNOWN),
        request("context", correlation_id=KNOWN),
        request("echo", "x" * 2000, correlation_id=KNOWN),
        request("large", correlation_id=KNOWN),
        request("fail", correlation_id=KNOWN),
    ],
    ids=range(31),
)
def test_usual_requests_take_the_short_way(
    capabilities: frozenset[str], message: bytes
) -> None:
    short, long = End(capabilities), End(capabilities)
    # The first with a serializer is checked on the long way.
    for end in (short, long):
        end.long(message)
    outcome = short._plain.send(message)
    assert type(outcome) is bytes
    answer = outcome + b"".join(short.session.data_to_send())
    assert told(answer) == told(long.long(message))
    assert not short.session._running


def test_a_correlation_id_and_a_deadline_go_together_on_the_short_way() -> None:
    end = End()
    end.long(request("add", 1, 1))
    deadline = {"DLIN": encode_deadline(60)}
    message = request("add", 2, 3, correlation_id=KNOWN, annotations=deadline)
    outcome = end.send(message)
    assert type(outcome) is bytes
    (answer,) = frames(outcome)
    assert answer.correlation_id == KNOWN
    assert read(outcome) == 5


def with_short(end: End) -> Callable[[str], Any]:
    """Return what makes calls on the short way."""
    end.long(request("context"))
    return lambda method: end.only_short(request(method))


def test_the_state_of_a_call_has_all_that_may_be_asked_for() -> None:
    end = End()
    call = with_short(end)

    def look() -> list[str]:
        state = call_state.get()
        names = [*CallState.__slots__, *ServedCall.__slots__]
        return [
            one for one in names if one != "__weakref__" and not hasattr(state, one)
        ]

    end.target.inside = look
    assert call("meanwhile") == []


def test_a_call_is_inside_of_the_gate_of_its_object_while_it_runs() -> None:
    end = End()
    target = _instance(end, "serial")
    target.inside = lambda: [len(end.gates), end.gates.waiting(target)]
    assert end.only_short(request("meanwhile", object_id="serial")) == [1, 0]
    assert len(end.gates) == 0
    with pytest.raises(ValueError, match="no"):
        end.only_short(request("fail", object_id="serial"))
    assert len(end.gates) == 0


@pytest.mark.parametrize("ending", [int, object, Target().later, (1,).index])
def test_a_call_of_an_instance_is_inside_of_its_gate_when_others_can_come(
    ending: Callable[[], Any],
) -> None:
    end = End()
    target = _instance(end, "session")
    inside: list[int] = []

    def look() -> object:
        inside.append(len(end.gates))
        assert end.take()
        inside.append(len(end.gates))
        return ending()

    target.inside = look
    end.short(request("meanwhile", object_id="session"))
    end.finish()
    assert inside == [0, 1]
    assert len(end.gates) == 0
    assert not end.session._running
    assert not end.connection.calls


def test_a_call_of_an_instance_is_inside_of_its_gate_while_others_are_under_way() -> (
    None
):
    end = End()
    target = _instance(end, "session")
    target.inside = lambda: len(end.gates)
    end.connection.beside = 1
    assert end.only_short(request("meanwhile", object_id="session")) == 1
    assert len(end.gates) == 0
    end.connection.beside = 0
    assert end.only_short(request("meanwhile", object_id="session")) == 0


@pytest.mark.parametrize("object_id", ["session", "serial"])
def test_a_call_waits_for_the_one_that_is_inside_of_the_gate(object_id: str) -> None:
    end = End()
    target = _instance(end, object_id)
    end.connection.beside = 1
    before = target.calls
    assert end.gates.enter_alone(target, SERIAL)
    assert end.short(request("count", object_id=object_id)) == b""
    assert end.gates.waiting(target) == 1
    assert target.calls == before
    end.gates.leave(target, SERIAL)
    assert read(end.finish()) == before + 1
    assert len(end.gates) == 0


def test_a_coroutine_leaves_the_gate_when_it_has_ended() -> None:
    end = End()
    _instance(end, "session")
    assert end.short(request("later", 7, object_id="session")) == b""
    assert end.short(request("count", object_id="session", sequence=6)) == b""
    assert [frame.sequence for frame in frames(end.finish())] == [5, 6]
    assert len(end.gates) == 0


def _instance(end: End, object_id: str) -> Any:
    """Return the object that serves the calls of the client, made if needed."""
    end.long(request("count", object_id=object_id))
    registration = end.server.registry.get(object_id)
    assert registration is not None
    return registration.instance(end.connection.client)


def test_an_instance_for_one_call_is_not_kept_until_the_next() -> None:
    end = End()
    end.long(request("context"))
    made: list[weakref.ref[Any]] = []

    @expose
    @behavior(instance_mode="percall")
    class Counted(Target):
        def __init__(self) -> None:
            super().__init__()
            made.append(weakref.ref(self))

    end.server.register(Counted, "counted")
    for _ in range(2):
        assert end.only_short(request("count", object_id="counted")) == 1
    gc.collect()
    assert [one() for one in made] == [None, None]


def test_the_state_of_a_call_is_not_that_of_the_next() -> None:
    before = call_state.get()
    end = End()
    call = with_short(end)
    seen: list[Any] = []

    def look() -> None:
        seen.append(
            (dict(current_context.response_annotations), current_context.annotations)
        )
        current_context.response_annotations["ABCD"] = b"1"
        current_context.annotations = {"EFGH": b"2"}

    end.target.inside = look
    for _ in range(3):
        call("meanwhile")
    assert seen == [({}, {})] * 3
    assert len({call("correlate") for _ in range(3)}) == 3
    assert call_state.get() is before


def test_a_copy_of_the_context_keeps_its_call() -> None:
    end = End()
    with_short(end)
    copies: list[contextvars.Context] = []
    end.target.inside = lambda: copies.append(contextvars.copy_context())
    for number in (7, 8, 9):
        end.only_short(
            request("meanwhile", sequence=number, annotations=deadline(10 * number))
        )
    assert [one.run(lambda: current_context.seq) for one in copies] == [7, 8, 9]
    assert [one.run(lambda: current_context.remaining) for one in copies] == [
        70,
        80,
        90,
    ]


def deadline(seconds: float) -> dict[str, bytes]:
    return {"DLIN": encode_deadline(seconds)}


def test_what_a_method_has_used_is_not_kept_until_the_next_call() -> None:
    end = End()
    call = with_short(end)
    used: list[weakref.ref[Any]] = []

    class Result(dict[str, int]):
        """Something that can be referred to weakly."""

    def give() -> Result:
        result = Result()
        used.append(weakref.ref(result))
        return result

    end.target.inside = give
    assert call("meanwhile") == {}
    gc.collect()
    assert [one() for one in used] == [None]


def test_a_deadline_is_known_and_one_that_has_passed_is_answered() -> None:
    end = End()
    end.long(request("context"))
    seen = end.only_short(request("context", annotations=deadline(30)))
    assert seen[3:5] == [{"DLIN": encode_deadline(30)}, True]
    answer = end.short(request("add", 1, annotations=deadline(0)))
    with pytest.raises(TimeoutError):
        read(answer)
    assert end.target.calls == 0


def test_whoever_takes_the_connection_over_leaves_the_answer_to_be_queued() -> None:
    end = End()
    with_short(end)
    end.target.inside = end.take
    outcome = end.send(request("meanwhile"))
    assert outcome == b""
    assert read(b"".join(end.session.data_to_send())) is True
    assert not end.session._running
    assert not end.connection.calls


def test_a_call_that_was_cancelled_meanwhile_is_not_answered_again() -> None:
    end = End()
    with_short(end)

    def cancel() -> None:
        end.take()
        with end.lock:
            assert end.connection.calls is not None
            end.connection.calls.cancel(5)

    end.target.inside = cancel
    assert end.send(request("meanwhile")) == b""
    with pytest.raises(CallCancelledError):
        read(b"".join(end.session.data_to_send()))
    assert not end.session._running


def test_a_client_that_has_gone_meanwhile_gets_no_answer() -> None:
    end = End()
    with_short(end)

    def leave() -> None:
        end.take()
        end.connection.abandon()

    end.target.inside = leave
    assert end.send(request("meanwhile")) == b""
    assert end.session.data_to_send() == []


def test_hooks_are_told_of_each_call_from_the_moment_they_are_there() -> None:
    end = End()
    with_short(end)
    names: list[str] = []

    class Hook(CallHook):
        def after_call(self, call: Any, result: Any, seconds: float) -> None:
            names.append(f"{call.name} {result}")

        def on_error(self, call: Any, error: BaseException, seconds: float) -> None:
            names.append(f"{call.name} {type(error).__name__}")

    end.only_short(request("add", 1))
    service = end.server.service
    service.dispatcher = GuardedDispatcher(
        service.dispatcher, lambda: 0.0, hooks=HookTable((Hook(),))
    )
    end.only_short(request("add", 2))
    with pytest.raises(ValueError, match="no"):
        end.only_short(request("fail"))
    batch = [["add", [4, 5], {}], ["add", [5, 6], {}]]
    end.only_short(request("<batch>", *batch, flags=FLAG_BATCH))
    assert names == ["add 3", "fail ValueError", "add 9", "add 11"]


def test_what_is_compressed_goes_the_long_way() -> None:
    end = End()
    end.long(request("context"))
    message = request("echo", "x" * 500, compress=True)
    assert message[8:10] == FLAG_COMPRESSED.to_bytes(2, "big")
    assert end.send(message) is None
