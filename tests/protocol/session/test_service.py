from __future__ import annotations

import asyncio
import logging
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from protocol.conversation import ALL_SERIALIZERS, Conversation, Link, Server
from protocol.golden import decode_all
from pyro_protocol import behavior, current_context, expose
from pyro_protocol.context import call_state
from pyro_protocol.errors import (
    DaemonError,
    MessageTooLargeError,
    ProtocolError,
    PyroError,
    SecurityError,
    SerializeError,
    ServerBusyError,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.session import (
    ConnectAccepted,
    ConnectRefused,
    SessionSettings,
    StreamReference,
    read_reply,
)
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY, Frame, MessageType, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SERIALIZERS = ["serpent", "json", "msgpack", "marshal", "native"]
CORRELATION = uuid.UUID(int=5)


class Resource:
    closed = 0

    def close(self) -> None:
        self.closed += 1


class Unspeakable(Exception):  # noqa: N818 - it is what it is
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Misleading:
    @property  # type: ignore[misc] # lying is its purpose
    def __class__(self) -> Any:
        raise RuntimeError("not telling")


@expose
class Target:
    def __init__(self) -> None:
        self._level = 7
        self.notes: list[object] = []
        self.resource = Resource()

    def add(self, a: int, b: int) -> int:
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def fail(self) -> None:
        raise ValueError("boom", 42)

    def fail_unspeakably(self) -> None:
        raise Unspeakable

    def fail_with_half_a_character(self) -> None:
        raise ValueError("half \ud83d a character")

    def misleading(self) -> object:
        return Misleading()

    def leave(self, kind: str) -> None:
        raise {"exit": SystemExit, "interrupt": KeyboardInterrupt}[kind]("bye")

    def odd(self) -> object:
        return object()

    def fail_oddly(self) -> None:
        raise ValueError("boom", object())

    def long(self, size: int) -> str:
        return "x" * size

    def fail_at_length(self, size: int) -> None:
        raise ValueError("x" * size)

    def items(self, *values: object) -> Iterator[object]:
        yield from values

    def note(self, value: object) -> None:
        self.notes.append(value)

    def note_and_fail(self, value: object) -> None:
        self.notes.append(value)
        raise ValueError

    def about_me(self) -> dict[str, object]:
        context = current_context
        return {
            "address": list(context.client_sock_addr),
            "sequence": context.seq,
            "flags": context.msg_flags,
            "serializer": context.serializer_id,
            "annotations": {
                key: bytes(one) for key, one in context.annotations.items()
            },
            "correlation": str(context.correlation_id),
        }

    def respond(self, annotations: Mapping[str, Any]) -> None:
        current_context.response_annotations = annotations

    def respond_and_fail(self) -> None:
        current_context.response_annotations["RSPX"] = b"x"
        raise ValueError

    def track(self) -> None:
        current_context.track_resource(self.resource)

    async def later(self, value: object) -> object:
        await asyncio.sleep(0)
        return value, str(current_context.correlation_id)

    async def leave_later(self, kind: str) -> None:
        await asyncio.sleep(0)
        kinds = {
            "exit": SystemExit,
            "interrupt": KeyboardInterrupt,
            "cancelled": asyncio.CancelledError,
            "value": ValueError,
        }
        raise kinds[kind]("bye")

    async def wait(self) -> None:
        await asyncio.get_running_loop().create_future()

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value


@pytest.fixture(autouse=True)
def _own_context() -> Iterator[None]:
    token = call_state.set(None)
    yield
    call_state.reset(token)


@pytest.fixture
def _nothing_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Keep half characters out of the report, which has to be written in UTF-8."""
    caplog.set_level(logging.CRITICAL + 1, "pyro")


@pytest.fixture
def target() -> Target:
    return Target()


@pytest.fixture
def server(target: Target) -> Server:
    server = Server(ALL_SERIALIZERS)
    server.register(target, "example.target")
    return server


def serving(target: object, **options: Any) -> Server:
    server = Server(**options)
    server.register(target, "example.target")
    return server


def talk(server: Server, serializer: str = "serpent", **options: Any) -> Conversation:
    if serializer == "native":
        options["capabilities"] = ("native",)
    return Conversation(
        server, serializer=serializer, settings=ALL_SERIALIZERS, **options
    )


class TestHandshake:
    def test_a_client_is_admitted_with_what_the_object_offers(
        self, server: Server
    ) -> None:
        line = talk(server)

        assert isinstance(line.accepted, ConnectAccepted)
        assert line.accepted.handshake == "hello"
        assert "add" in line.accepted.methods
        assert line.accepted.attributes == {"level"}
        assert line.link.client.established

    def test_an_unknown_object_is_refused_by_name(self, server: Server) -> None:
        line = talk(server, object_id="nothing")

        assert line.accepted == ConnectRefused("unknown object 'nothing'")
        assert line.link.closing
        assert not line.link.client.established

    def test_the_hook_sees_the_client_its_value_and_its_annotations(
        self, target: Target
    ) -> None:
        seen: list[object] = []

        def hook(client: Any, value: object) -> object:
            seen.extend((client.peer_address, value, current_context.client is client))
            return {"welcome": value}

        line = talk(serving(target, validate_handshake=hook), handshake={"user": "me"})

        assert seen == [("10.0.0.1", 4444), {"user": "me"}, True]
        assert isinstance(line.accepted, ConnectAccepted)
        assert line.accepted.handshake == {"welcome": {"user": "me"}}

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (ValueError("access denied"), "access denied"),
            (SecurityError("not you"), "not you"),
            (ZeroDivisionError(), "ZeroDivisionError"),
            (SystemExit("closed today"), "closed today"),
        ],
    )
    def test_the_hook_refuses_with_any_exception(
        self, target: Target, error: BaseException, reason: str
    ) -> None:
        def hook(_client: object, _value: object) -> None:
            raise error

        line = talk(serving(target, validate_handshake=hook))

        assert line.accepted == ConnectRefused(reason)
        assert line.link.closing

    @pytest.mark.usefixtures("_nothing_logged")
    def test_a_reason_that_no_serializer_can_write_is_sent_escaped(
        self, target: Target
    ) -> None:
        def hook(_client: object, _value: object) -> None:
            raise ValueError("half \ud83d a character")

        line = talk(serving(target, validate_handshake=hook))

        assert line.accepted == ConnectRefused("half \\ud83d a character")

    def test_an_answer_of_the_hook_that_cannot_be_sent_is_a_refusal(
        self, target: Target
    ) -> None:
        line = talk(
            serving(target, validate_handshake=lambda _client, _value: object())
        )

        assert isinstance(line.accepted, ConnectRefused)
        assert "object" in line.accepted.reason

    def test_annotations_of_the_server_travel_with_admission_and_refusal(
        self, target: Target
    ) -> None:
        server = serving(target, annotations=lambda: {"SRVR": b"x"})
        connect = b"".join(
            encode_frame(
                1,
                1,
                0,
                0,
                serializers["serpent"].dumps({"handshake": 1, "object": "nothing"}),
            )
        )

        accepted = talk(server).accepted
        (refused,) = Link(server).exchange(connect)

        assert isinstance(accepted, ConnectAccepted)
        assert bytes(accepted.annotations["SRVR"]) == b"x"
        assert bytes(refused.annotations["SRVR"]) == b"x"

    def test_illegal_annotations_of_the_server_are_a_refusal_that_arrives(
        self, target: Target
    ) -> None:
        line = talk(serving(target, annotations=lambda: {"SRVR": "text"}))

        assert isinstance(line.accepted, ConnectRefused)
        assert "'SRVR' must be bytes" in line.accepted.reason

    def test_annotations_set_by_the_hook_travel_with_the_admission(
        self, target: Target
    ) -> None:
        def hook(_client: object, _value: object) -> str:
            current_context.response_annotations["HOOK"] = b"x"
            return "hello"

        accepted = talk(serving(target, validate_handshake=hook)).accepted

        assert isinstance(accepted, ConnectAccepted)
        assert bytes(accepted.annotations["HOOK"]) == b"x"

    def test_a_client_of_ours_is_told_the_name_of_its_connection(
        self, server: Server
    ) -> None:
        lines = [talk(server, "native"), talk(server, "native"), talk(server)]
        first, second, plain = (line.accepted for line in lines)

        assert isinstance(first, ConnectAccepted)
        assert isinstance(second, ConnectAccepted)
        assert isinstance(plain, ConnectAccepted)
        assert first.lease_key != second.lease_key
        assert len(str(first.lease_key)) == 16
        # It is not for the program, and Pyro5 gets nothing that it does not know.
        assert not first.annotations
        assert plain.lease_key is None
        assert not plain.annotations

    def test_a_busy_server_refuses_in_pyro5s_words(self, server: Server) -> None:
        link = Link(server)
        link.session.receive_data(
            b"".join(
                encode_frame(
                    1,
                    1,
                    0,
                    0,
                    serializers["serpent"].dumps({"handshake": 1, "object": "x"}),
                )
            )
        )
        (event,) = link.session.events_received()

        link.connection.refuse_busy(event)

        (frame,) = decode_all(b"".join(link.session.data_to_send()))
        assert frame.kind == MessageType.CONNECTFAIL
        assert b"no free workers, increase server threadpool size" in bytes(
            frame.payload
        )


@pytest.mark.parametrize("serializer", SERIALIZERS)
class TestEverySerializer:
    def test_calls_and_attributes(self, server: Server, serializer: str) -> None:
        line = talk(server, serializer)

        assert line.call("add", 1, b=2) == 3
        assert line.call("__getattr__", "level") == 7
        assert line.call("__setattr__", "level", 8) is None
        assert line.call("__getattr__", "level") == 8

    def test_exceptions(self, server: Server, serializer: str) -> None:
        line = talk(server, serializer)

        with pytest.raises(ValueError, match="boom") as caught:
            line.call("fail")
        assert caught.value.args == ("boom", 42)
        assert "in fail" in caught.value.__notes__[0]
        with pytest.raises(DaemonError, match="unknown object 'nobody'"):
            self.reply(line, "nobody", "add")
        with pytest.raises(
            AttributeError, match="no exposed method 'ad'; did you mean 'add'"
        ):
            line.call("ad")
        with pytest.raises(AttributeError, match="private"):
            line.call("_level")
        assert line.call("add", 1, 2) == 3

    def test_results_and_exceptions_that_cannot_be_sent(
        self, server: Server, serializer: str
    ) -> None:
        line = talk(server, serializer)

        with pytest.raises(SerializeError, match="object"):
            line.call("odd")
        with pytest.raises(PyroError, match="could not be sent"):
            line.call("fail_oddly")
        assert line.call("add", 1, 2) == 3

    @pytest.mark.parametrize(
        "method", ["fail_unspeakably", "fail_with_half_a_character", "misleading"]
    )
    @pytest.mark.usefixtures("_nothing_logged")
    def test_what_cannot_even_be_described_is_answered(
        self, server: Server, serializer: str, method: str
    ) -> None:
        line = talk(server, serializer)

        with pytest.raises(Exception, match=r"Unspeakable|half|not telling|Misleading"):
            line.call(method)

        assert line.call("add", 1, 2) == 3

    @pytest.mark.parametrize("kind", ["exit", "interrupt"])
    def test_an_exception_that_would_end_the_server(
        self, server: Server, serializer: str, kind: str
    ) -> None:
        line = talk(server, serializer)

        with pytest.raises(PyroError, match=r"leave ended with \w+: bye"):
            line.call("leave", kind)
        assert line.call("add", 1, 2) == 3

    def test_streams(self, server: Server, serializer: str) -> None:
        line = talk(server, serializer)

        stream = line.call("items", "one", "two")

        assert stream == StreamReference("stream-1")
        assert self.item(line, stream) == "one"
        assert self.item(line, stream) == "two"
        with pytest.raises(StopIteration):
            self.item(line, stream)
        with pytest.raises(PyroError, match="item stream terminated"):
            self.item(line, stream)

    def test_a_batch_that_fails_in_the_middle(
        self, server: Server, serializer: str
    ) -> None:
        line = talk(server, serializer)
        calls: list[object] = [
            ("add", (1, 2), {}),
            ("odd", (), {}),
            ("fail", (), {}),
            ("add", (), {}),
        ]

        frame = line.request("example.target", "<batch>", calls, None, flags=FLAG_BATCH)

        assert frame is not None
        assert frame.flags & FLAG_BATCH
        first, second, third = read_reply(frame, line.serializer.id)
        assert first == 3
        assert isinstance(second.exception, SerializeError)
        assert third.exception.args == ("boom", 42)

    def test_a_coroutine(self, server: Server, serializer: str) -> None:
        line = talk(server, serializer)

        value, _correlation = line.call("later", 5)

        assert value == 5

    @staticmethod
    def reply(line: Conversation, object_id: str, method: str, *args: object) -> Any:
        frame = line.request(object_id, method, args, {})
        assert frame is not None
        return read_reply(frame, line.serializer.id)

    def item(self, line: Conversation, stream: StreamReference) -> Any:
        return self.reply(line, "Pyro.Daemon", "get_next_stream_item", stream.stream_id)


class TestRequests:
    @pytest.mark.parametrize(
        ("payload", "error"),
        [
            (b"((((", SerializeError),
            (b"", SerializeError),
            (b"5", SerializeError),
            (
                b"('example.target','echo',({'__class__':'app.Unknown'},),{})",
                SerializeError,
            ),
            (
                b"('example.target','echo',({'__class__':'__main__.Evil'},),{})",
                SecurityError,
            ),
        ],
    )
    def test_a_request_that_cannot_be_decoded_is_answered_and_the_connection_stays(
        self, server: Server, payload: bytes, error: type[Exception]
    ) -> None:
        line = talk(server)
        line.client.send_request(1, payload)

        (frame,) = line.pump()

        with pytest.raises(error):
            read_reply(frame, 1)
        assert line.call("add", 1, 2) == 3

    def test_the_answer_to_what_cannot_be_decoded_does_not_repeat_it(
        self, server: Server
    ) -> None:
        line = talk(server, "native")
        line.client.send_request(78, b"\x05 and all the rest of a long message")

        (frame,) = line.pump()

        with pytest.raises(SerializeError) as caught:
            read_reply(frame, 78)
        assert caught.value.__cause__ is None
        assert b"a long message" not in frame.payload

    def test_an_unknown_serializer_is_answered_in_serpent(self, server: Server) -> None:
        line = talk(server)
        line.client.send_request(99, b"")

        (frame,) = line.pump()

        with pytest.raises(ProtocolError, match="unknown serializer id 99"):
            read_reply(frame, 1)
        assert line.call("add", 1, 2) == 3

    def test_a_reply_over_the_limit_becomes_an_error(self, target: Target) -> None:
        line = talk(serving(target, settings=SessionSettings(max_message_size=5000)))

        with pytest.raises(MessageTooLargeError, match="max=5000"):
            line.call("long", 6000)
        with pytest.raises(PyroError, match="could not be sent"):
            line.call("fail_at_length", 6000)
        assert line.call("add", 1, 2) == 3

    def test_a_oneway_request_is_carried_out_and_never_answered(
        self, server: Server, target: Target
    ) -> None:
        line = talk(server)
        for method in ("note", "note_and_fail", "nothing", "_private"):
            frame = line.request(
                "example.target", method, ("x",), {}, flags=FLAG_ONEWAY
            )
            assert frame is None
        line.client.send_request(1, b"((((", FLAG_ONEWAY)
        assert line.pump() == []

        assert target.notes == ["x", "x"]
        assert line.call("add", 1, 2) == 3

    def test_a_oneway_batch_is_carried_out_and_never_answered(
        self, server: Server, target: Target
    ) -> None:
        line = talk(server)

        frame = line.request(
            "example.target",
            "<batch>",
            [("note", (1,), {}), ("note", (2,), {})],
            flags=FLAG_ONEWAY | FLAG_BATCH,
        )

        assert frame is None
        assert target.notes == [1, 2]

    def test_a_stream_is_closed_early_by_a_oneway_request(self, server: Server) -> None:
        line = talk(server)
        stream = line.call("items", "one")
        assert stream.stream_id in server.streams

        line.request(
            "Pyro.Daemon", "close_stream", (stream.stream_id,), {}, flags=FLAG_ONEWAY
        )

        assert stream.stream_id not in server.streams

    def test_a_ping_is_answered_with_the_servers_annotations(
        self, target: Target
    ) -> None:
        line = talk(serving(target, annotations=lambda: {"SRVR": b"x"}))
        line.client.send_ping()

        (frame,) = line.pump()

        assert frame.kind == MessageType.PING
        assert bytes(frame.payload) == b"pong"
        assert bytes(frame.annotations["SRVR"]) == b"x"

    def test_a_busy_server_gives_a_sign_of_life(self, server: Server) -> None:
        line = talk(server)
        line.client.send_ping()
        line.link.session.receive_data(b"".join(line.client.data_to_send()))
        (event,) = line.link.session.events_received()

        line.link.connection.refuse_busy(event)

        (frame,) = decode_all(b"".join(line.link.session.data_to_send()))
        assert frame.kind == MessageType.PING

    def test_a_busy_server_says_that_the_call_was_not_run(self, server: Server) -> None:
        line = talk(server)
        line.client.send_call(line.serializer, "example.target", "note", (1,), {})
        line.link.session.receive_data(b"".join(line.client.data_to_send()))
        (event,) = line.link.session.events_received()

        line.link.connection.refuse_busy(event)

        (frame,) = decode_all(b"".join(line.link.session.data_to_send()))
        with pytest.raises(DaemonError, match="was not run") as caught:
            read_reply(frame, 1)
        assert isinstance(caught.value, DaemonError | ServerBusyError)

    def test_pipelined_requests_are_answered_in_order(self, server: Server) -> None:
        line = talk(server)
        for number in range(5):
            line.client.send_call(
                line.serializer, "example.target", "echo", (number,), {}
            )

        frames = line.pump()

        assert [read_reply(frame, 1) for frame in frames] == [0, 1, 2, 3, 4]


class TestContext:
    def test_a_method_sees_its_request(self, server: Server) -> None:
        line = talk(server, "json")

        frame = line.request(
            "example.target",
            "about_me",
            flags=0x100,
            correlation_id=CORRELATION.bytes,
        )

        assert frame is not None
        assert read_reply(frame, 3) == {
            "address": ["10.0.0.1", 4444],
            "sequence": 1,
            "flags": 0x140,
            "serializer": 3,
            "annotations": {},
            "correlation": str(CORRELATION),
        }
        assert frame.correlation_id == CORRELATION.bytes

    def test_the_annotations_of_a_request_are_for_its_method_alone(
        self, server: Server
    ) -> None:
        line = talk(server, "msgpack")
        with_annotations = line.request(
            "example.target", "about_me", annotations={"ABCD": b"x"}
        )
        without = line.request("example.target", "about_me")

        assert with_annotations is not None
        assert without is not None
        assert read_reply(with_annotations, 4)["annotations"] == {"ABCD": b"x"}
        assert read_reply(without, 4)["annotations"] == {}

    def test_a_correlation_id_is_made_only_if_somebody_asks(
        self, server: Server
    ) -> None:
        line = talk(server)

        nobody = line.request("example.target", "add", (1, 2), {})
        somebody = line.request("example.target", "about_me")

        assert nobody is not None
        assert somebody is not None
        assert nobody.correlation_id is None
        assert somebody.correlation_id is not None
        told = read_reply(somebody, 1)["correlation"]
        assert uuid.UUID(bytes=somebody.correlation_id) == uuid.UUID(told)

    def test_the_context_ends_with_the_request(self, server: Server) -> None:
        talk(server).call("about_me")

        assert call_state.get() is None

    def test_response_annotations_go_with_one_reply_only(self, target: Target) -> None:
        line = talk(serving(target, annotations=lambda: {"SRVR": b"s"}))

        def annotations_of(method: str, *args: object) -> dict[str, bytes]:
            frame = line.request("example.target", method, args, {})
            assert frame is not None
            return {key: bytes(value) for key, value in frame.annotations.items()}

        assert annotations_of("add", 1, 2) == {"SRVR": b"s"}
        assert annotations_of("respond_and_fail") == {"SRVR": b"s"}
        assert annotations_of("add", 1, 2) == {"SRVR": b"s"}
        line.request("example.target", "respond_and_fail", flags=FLAG_ONEWAY)
        assert annotations_of("add", 1, 2) == {"SRVR": b"s"}

    def test_a_method_adds_annotations_to_its_reply(self, server: Server) -> None:
        line = talk(server, "msgpack")

        frame = line.request("example.target", "respond", ({"RSPX": b"x"},), {})

        assert frame is not None
        assert bytes(frame.annotations["RSPX"]) == b"x"

    @pytest.mark.parametrize(
        "annotations", [{"LONGER": b"x"}, {"ABCD": "text"}, {"ÄBCD": b""}]
    )
    def test_illegal_response_annotations_hurt_only_their_own_call(
        self, server: Server, annotations: dict[str, object]
    ) -> None:
        line = talk(server, "msgpack")

        with pytest.raises(ProtocolError, match="annotation"):
            line.call("respond", annotations)
        assert line.call("add", 1, 2) == 3

    def test_servers_annotations_that_fail_do_not_lose_the_answers(
        self, target: Target
    ) -> None:
        broken = False

        def annotations() -> dict[str, bytes]:
            if broken:
                raise ZeroDivisionError("no annotations")
            return {}

        line = talk(serving(target, annotations=annotations))
        broken = True

        with pytest.raises(ZeroDivisionError):
            line.call("add", 1, 2)
        with pytest.raises(ValueError, match="boom"):
            line.call("fail")
        line.client.send_ping()
        (pong,) = line.pump()
        assert pong.kind == MessageType.PING


class TestCoroutines:
    def test_the_context_of_a_coroutine_is_that_of_its_request(
        self, server: Server
    ) -> None:
        line = talk(server)
        frame = line.request(
            "example.target", "later", (5,), {}, correlation_id=CORRELATION.bytes
        )

        assert frame is not None
        assert list(read_reply(frame, 1)) == [5, str(CORRELATION)]

    @pytest.mark.parametrize("kind", ["exit", "interrupt", "cancelled"])
    def test_a_coroutine_that_would_end_the_event_loop_is_answered(
        self, server: Server, kind: str
    ) -> None:
        line = talk(server)

        with pytest.raises(PyroError, match=r"leave_later ended with \w+: bye"):
            line.call("leave_later", kind)
        assert line.call("add", 1, 2) == 3

    def test_an_exception_in_a_coroutine_is_answered(self, server: Server) -> None:
        with pytest.raises(ValueError, match="bye"):
            talk(server).call("leave_later", "value")

    def test_a_oneway_coroutine_is_not_answered(self, server: Server) -> None:
        line = talk(server)

        assert line.request("example.target", "later", (5,), flags=FLAG_ONEWAY) is None
        assert (
            line.request("example.target", "leave_later", ("value",), flags=FLAG_ONEWAY)
            is None
        )

    def test_a_coroutine_whose_client_has_left_ends_quietly(
        self, server: Server, caplog: pytest.LogCaptureFixture
    ) -> None:
        line = talk(server)
        line.client.send_call(line.serializer, "example.target", "wait", (), {})
        line.link.session.receive_data(b"".join(line.client.data_to_send()))
        (event,) = line.link.session.events_received()

        async def main() -> None:
            coroutine = line.link.connection.handle(event)
            assert coroutine is not None
            task = asyncio.create_task(coroutine)
            await asyncio.sleep(0)
            line.link.connection.close()
            task.cancel()
            await asyncio.wait([task])

        with caplog.at_level(logging.INFO):
            asyncio.run(main())

        assert line.link.session.data_to_send() == []
        assert caplog.records == []


class TestEnd:
    @staticmethod
    def with_hook(target: Target, hook: Callable[[Any], None]) -> Server:
        return serving(target, client_disconnect=hook)

    def test_the_end_of_an_admitted_client_is_told_once(self, target: Target) -> None:
        gone: list[object] = []
        line = talk(self.with_hook(target, gone.append))

        line.link.connection.close()
        line.link.connection.close()

        assert gone == [line.link.client]

    def test_the_end_of_a_client_that_was_never_admitted_is_not_told(
        self, target: Target
    ) -> None:
        gone: list[object] = []
        line = talk(self.with_hook(target, gone.append), object_id="nothing")

        line.link.connection.close()

        assert gone == []

    def test_tracked_resources_are_closed_after_the_hook_though_it_fails(
        self, target: Target, caplog: pytest.LogCaptureFixture
    ) -> None:
        closed_before: list[int] = []

        def hook(_client: object) -> None:
            closed_before.append(target.resource.closed)
            raise ZeroDivisionError

        line = talk(self.with_hook(target, hook))
        line.call("track")

        with caplog.at_level(logging.ERROR):
            line.link.connection.close()

        assert closed_before == [0]
        assert target.resource.closed == 1
        assert "disconnect hook failed" in caplog.text

    def test_instances_of_a_session_end_with_it(self) -> None:
        @behavior("session")
        class Session(Target): ...

        server = Server()
        server.registry.register(Session, "example.target")
        first, second = talk(server), talk(server)
        first.call("__setattr__", "level", 1)
        second.call("__setattr__", "level", 2)

        assert first.call("__getattr__", "level") == 1
        assert second.call("__getattr__", "level") == 2
        first.link.connection.close()
        assert first.link.client.session_instances == {}

    def test_a_connected_conversation_is_admitted_from_the_start(
        self, target: Target
    ) -> None:
        gone: list[object] = []
        link = Link(self.with_hook(target, gone.append), connected=True)

        link.connection.close()

        assert gone == [link.client]


def test_every_answer_is_a_frame_of_protocol_502(server: Server) -> None:
    line = talk(server)
    frame = line.request("example.target", "add", (1, 2), {})

    assert isinstance(frame, Frame)
    assert frame.kind == MessageType.RESULT
