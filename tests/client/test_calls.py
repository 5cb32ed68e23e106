"""Calls: what goes along with them, what comes back, and in which form."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy, SerializedBlob, current_context
from pyro_protocol import expose
from pyro_protocol.config import Configuration
from pyro_protocol.errors import (
    MessageTooLargeError,
    ProtocolError,
    PyroError,
    RemoteError,
    SecurityError,
    SerializeError,
    get_pyro_traceback,
)
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import (
    FLAG_COMPRESSED,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    FLAG_STREAM,
    Frame,
    MessageType,
)
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer
from support.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.dispatch import ClientConnection

PYRO5_NAMES = ["serpent", "json", "msgpack"]


@pytest.fixture(autouse=True)
def _fresh_context() -> Iterator[None]:
    current_context.annotations = {}
    current_context.response_annotations = {}
    current_context.correlation_id = None
    yield
    current_context.annotations = {}
    current_context.response_annotations = {}
    current_context.correlation_id = None


# Results


@pytest.mark.parametrize("serializer", [None, *PYRO5_NAMES])
def test_values_that_every_serializer_knows_come_back_as_they_were(
    proxy: Proxy, serializer: str | None
) -> None:
    proxy._pyroSerializer = serializer
    value = {"a": [1, 2.5, None, True, "text", {"b": -(2**70)}], "ü": "€"}
    assert proxy.echo(value) == value


def test_no_result_is_none(proxy: Proxy) -> None:
    assert proxy.nothing() is None


def test_missing_arguments_are_the_remote_methods_own_error(proxy: Proxy) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        proxy.add(1)


@pytest.mark.parametrize("serializer", [None, *PYRO5_NAMES])
@pytest.mark.parametrize("size", [0, 1, 65_000, 65_536, 200_000, 5_000_000])
def test_payloads_of_every_size_come_back_whole(
    proxy: Proxy, serializer: str | None, size: int
) -> None:
    proxy._pyroSerializer = serializer
    value = "x" * size
    assert proxy.echo(value) == value


def test_large_bytes_come_back_whole(proxy: Proxy) -> None:
    data = bytes(range(256)) * 65_536
    assert proxy.echo(data) == data


# Exceptions


@pytest.mark.parametrize("serializer", [None, *PYRO5_NAMES])
def test_an_exception_keeps_class_arguments_and_attributes(
    proxy: Proxy, serializer: str | None
) -> None:
    proxy._pyroSerializer = serializer
    with pytest.raises(FileNotFoundError) as caught:
        proxy.fail_with_attributes()
    assert caught.value.args == (2, "no such drawer")
    assert caught.value.shelf == 3  # type: ignore[attr-defined] # the point
    assert proxy.add(1, 2) == 3


@pytest.mark.parametrize("serializer", [None, *PYRO5_NAMES])
def test_an_exception_carries_the_remote_traceback(
    proxy: Proxy, serializer: str | None
) -> None:
    proxy._pyroSerializer = serializer
    with pytest.raises(ValueError, match="stuck") as caught:
        proxy.fail()
    lines = caught.value._pyroTraceback  # type: ignore[attr-defined] # documented
    assert any("workbench.py" in line for line in lines)
    assert "This exception occurred remotely" in "".join(
        get_pyro_traceback(caught.value)
    )


def test_an_uncaught_exception_is_shown_with_its_remote_traceback(uri: str) -> None:
    program = f"from pyro_client import Proxy\nProxy({uri!r}).fail('the saw is blunt')"
    result = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert result.returncode == 1
    shown = result.stderr
    assert "ValueError: ('the saw is blunt', 7)" in shown
    local, remote = shown.split("This exception occurred remotely", 1)
    assert 'File "<string>", line 2' in local
    assert "raise ValueError(message, 7)" in remote


@pytest.mark.parametrize("serializer", [None, *PYRO5_NAMES])
def test_an_exception_of_an_unknown_class_tells_what_it_was(
    proxy: Proxy, serializer: str | None
) -> None:
    proxy._pyroSerializer = serializer
    with pytest.raises(RemoteError, match="only known here") as caught:
        proxy.fail_custom()
    assert caught.value.remote_type == "support.workbench.CustomError"
    assert caught.value.args == ("only known here", 5)
    assert proxy._pyroConnection is not None


@pytest.mark.parametrize("serializer", [None, *PYRO5_NAMES])
def test_a_server_cannot_end_the_program_of_its_caller(
    proxy: Proxy, serializer: str | None
) -> None:
    proxy._pyroSerializer = serializer
    with pytest.raises(PyroError, match="SystemExit"):
        proxy.fail_exit()
    assert proxy.add(1, 2) == 3


@pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_a_hostile_server_cannot_end_the_program_of_its_caller(name: str) -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        error = {"__class__": name, "__exception__": True, "args": (3,)}
        peer.answer(peer.receive(), error, flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        Proxy(server.uri) as proxy,
        pytest.raises(PyroError, match=name),
    ):
        proxy.add(1, 2)


def test_a_class_with_a_forbidden_name_is_refused() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), {"__class__": "a.__import__"})
        serve_add(peer)

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        with pytest.raises(SecurityError):
            proxy.add(1, 2)
        assert proxy.add(1, 2) == 3


def test_a_result_of_an_unknown_class_leaves_the_connection_usable() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), {"__class__": "garden.Gnome", "hat": "red"})
        serve_add(peer)

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        with pytest.raises(SerializeError, match=r"garden\.Gnome"):
            proxy.add(1, 2)
        assert proxy.add(1, 2) == 3


def test_what_claims_to_be_an_exception_and_is_none_is_a_protocol_error() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), 42, flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        Proxy(server.uri) as proxy,
        pytest.raises(ProtocolError, match="int"),
    ):
        proxy.add(1, 2)


def serve_add(peer: Peer) -> None:
    request = peer.receive()
    _object, _method, (a, b), _kwargs = peer.call_of(request)
    peer.answer(request, a + b)


def test_an_answer_in_another_serializer_is_a_serialize_error() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        payload = serializers["json"].dumps(3)
        peer.send(MessageType.RESULT, request, payload, serializer_id=3)
        peer.wait_for_end()

    with (
        ScriptedServer(script) as server,
        Proxy(server.uri) as proxy,
        pytest.raises(SerializeError, match="serializer"),
    ):
        proxy.add(1, 2)


# Oneway


def test_a_oneway_call_returns_none_and_runs(proxy: Proxy, bench: Workbench) -> None:
    assert proxy.note("hello") is None
    assert bench.noted.acquire(timeout=DEADLINE)
    assert bench.notes == ["hello"]


def test_a_oneway_call_does_not_wait_for_the_server() -> None:
    requests: list[Frame] = []

    def script(peer: Peer) -> None:
        peer.admit(methods=["note"], oneway=["note"])
        requests.extend([peer.receive(), peer.receive()])

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        proxy.note(1)
        proxy.note(2)
    assert all(request.flags == FLAG_ONEWAY for request in requests)


def test_oneway_methods_can_be_chosen_by_the_client(
    proxy: Proxy, bench: Workbench
) -> None:
    proxy._pyroBind()
    proxy._pyroOneway.add("add")
    assert proxy.add(1, 2) is None
    proxy._pyroOneway.discard("note")
    assert proxy.note("done") is None
    assert bench.notes == ["done"]
    proxy._pyroOneway = set()
    assert proxy.add(1, 2) == 3
    assert bench.calls == 2


def test_the_answer_to_a_call_after_a_oneway_call_is_its_own(proxy: Proxy) -> None:
    for number in range(100):
        proxy.note(number)
        assert proxy.add(number, 1) == number + 1


# Context


def test_annotations_go_along_with_every_call_until_they_are_changed(
    proxy: Proxy,
) -> None:
    current_context.annotations = {"USER": b"sue"}
    assert proxy.annotations() == {"USER": "sue"}
    assert proxy.annotations() == {"USER": "sue"}
    current_context.annotations["ROOM"] = b"12"
    assert proxy.annotations() == {"USER": "sue", "ROOM": "12"}
    current_context.annotations = {}
    assert proxy.annotations() == {}


def test_annotations_go_along_with_the_handshake() -> None:
    seen: list[bytes] = []

    def look(client: ClientConnection, data: Any) -> str:
        seen.append(bytes(current_context.annotations["USER"]))
        return "hello"

    current_context.annotations = {"USER": b"sue"}
    with HostThread(validate_handshake=look) as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@{host.location}") as proxy:
            proxy._pyroBind()
    assert seen == [b"sue"]


@pytest.mark.parametrize("name", ["TOOLONG", "abc", "äöüß", ""])
def test_an_annotation_with_an_impossible_name_is_not_sent(
    proxy: Proxy, name: str
) -> None:
    proxy._pyroBind()
    current_context.annotations = {name: b"x"}
    with pytest.raises(ProtocolError) as caught:
        proxy.add(1, 2)
    assert caught.value.outcome == "not_sent"
    current_context.annotations = {}
    assert proxy.add(1, 2) == 3


def test_annotations_of_the_answer_are_those_of_the_last_one(proxy: Proxy) -> None:
    proxy._pyroBind()
    proxy.annotate("first")
    assert bytes(current_context.response_annotations["TEST"]) == b"first"
    proxy.annotate("second")
    assert bytes(current_context.response_annotations["TEST"]) == b"second"
    proxy.add(1, 2)
    assert current_context.response_annotations == {}


def test_making_a_proxy_leaves_the_annotations_of_the_answer(
    proxy: Proxy, uri: str
) -> None:
    proxy.annotate("kept")
    Proxy(uri)
    assert bytes(current_context.response_annotations["TEST"]) == b"kept"


def test_the_correlation_id_goes_along(proxy: Proxy) -> None:
    current_context.correlation_id = uuid.UUID(int=77)
    assert proxy.correlation_id() == str(uuid.UUID(int=77))


def test_without_a_correlation_id_the_server_makes_one_for_each_call(
    proxy: Proxy,
) -> None:
    one, two = uuid.UUID(proxy.correlation_id()), uuid.UUID(proxy.correlation_id())
    assert one != two
    assert current_context.correlation_id is None


# Serialized blobs


@pytest.mark.parametrize("serializer", [None, *PYRO5_NAMES])
def test_a_blob_is_decoded_by_whoever_wants_to(
    proxy: Proxy, serializer: str | None
) -> None:
    proxy._pyroSerializer = serializer
    blob = SerializedBlob("drawing 7", {"lines": [1, 2]})
    assert proxy.blob(blob) == ["drawing 7", {"lines": [1, 2]}]


@pytest.mark.parametrize("serializer", [None, *PYRO5_NAMES])
def test_a_received_blob_is_passed_on_as_it_came(
    uri: str, serializer: str | None
) -> None:
    @expose
    class PostOffice:
        async def forward(self, blob: SerializedBlob) -> Any:
            import asyncio

            def deliver() -> Any:
                with Proxy(uri) as proxy:
                    return proxy.blob(blob)

            return await asyncio.to_thread(deliver)

    with HostThread() as office:
        office.register(PostOffice(), "office")
        with Proxy(f"PYRO:office@{office.location}") as proxy:
            proxy._pyroSerializer = serializer
            answer = proxy.forward(SerializedBlob(("to", 3), [1, {"a": "b"}]))
    info, data = answer
    assert tuple(info) == ("to", 3)
    assert data == [1, {"a": "b"}]


def test_the_payload_of_a_blob_is_marked_and_routed_by_an_annotation() -> None:
    import marshal

    requests: list[Frame] = []

    def script(peer: Peer) -> None:
        peer.admit(methods=["store"])
        requests.append(peer.receive())
        peer.answer(requests[0], None)
        requests.append(peer.receive())
        peer.answer(requests[1], None)

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        proxy.store(SerializedBlob("info", [1, 2]))
        proxy.store(1)
    first, second = requests
    assert first.flags & FLAG_KEEPSERIALIZED
    routing = marshal.loads(bytes(first.annotations["BLBI"]))
    assert routing == ("info", "thing", "store")
    assert serializers["serpent"].loads_call(first.payload)[2] == [1, 2]
    # The blob's annotation belongs to the blob's call alone.
    assert not second.annotations
    assert not second.flags & FLAG_KEEPSERIALIZED


@pytest.mark.parametrize(
    "call",
    [
        lambda proxy, blob: proxy.blob(blob, 1),
        lambda proxy, blob: proxy.blob(blob, extra=1),
    ],
    ids=["positional", "keyword"],
)
def test_a_blob_must_be_the_only_argument(
    proxy: Proxy, call: Callable[[Proxy, SerializedBlob], Any]
) -> None:
    with pytest.raises(SerializeError, match="only argument") as caught:
        call(proxy, SerializedBlob("info", 1))
    assert caught.value.outcome == "not_sent"
    assert proxy.add(1, 2) == 3


def test_a_blob_whose_value_cannot_be_encoded_is_not_sent(proxy: Proxy) -> None:
    with pytest.raises(SerializeError) as caught:
        proxy.blob(SerializedBlob("info", object()))
    assert caught.value.outcome == "not_sent"
    with pytest.raises(SerializeError) as caught:
        proxy.blob(SerializedBlob(object(), 1))
    assert caught.value.outcome == "not_sent"
    assert proxy.add(1, 2) == 3


# Raw responses


def test_raw_responses_are_messages(proxy: Proxy) -> None:
    proxy._pyroSerializer = "json"
    proxy._pyroRawWireResponse = True
    frame = proxy.add(1, 2)
    assert isinstance(frame, Frame)
    assert (frame.kind, frame.serializer_id) == (MessageType.RESULT, 3)
    assert frame.data == b"3"
    assert frame.sequence == proxy._pyroSeq
    proxy._pyroRawWireResponse = False
    assert proxy.add(1, 2) == 3


def test_exceptions_and_streams_are_not_treated_when_responses_are_raw(
    proxy: Proxy,
) -> None:
    proxy._pyroRawWireResponse = True
    assert proxy.fail().flags & FLAG_EXCEPTION
    stream = proxy.count(3)
    assert stream.flags & FLAG_STREAM
    assert "STRM" in stream.annotations
    assert proxy.note("hello") is None
    assert isinstance(proxy.blob(SerializedBlob("info", 1)), Frame)


# Compression and sizes


@pytest.mark.parametrize("ours", [False, True])
@pytest.mark.parametrize("theirs", [False, True])
def test_compressed_and_plain_peers_understand_each_other(
    *, ours: bool, theirs: bool
) -> None:
    config = Configuration(use_environment=False)
    config.COMPRESSION = theirs
    client_config = Configuration(use_environment=False)
    client_config.COMPRESSION = ours
    with HostThread(config=config) as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@{host.location}", config=client_config) as proxy:
            assert proxy.echo("x" * 100_000) == "x" * 100_000


def test_compression_shortens_what_is_sent() -> None:
    sizes: list[int] = []

    def script(peer: Peer) -> None:
        peer.admit(methods=["echo"])
        data = peer.sock.recv(65536)
        flags = int.from_bytes(data[8:10], "big")
        assert flags & FLAG_COMPRESSED
        sizes.append(len(data))

    config = Configuration(use_environment=False)
    config.COMPRESSION = True
    with (
        ScriptedServer(script) as server,
        Proxy(server.uri, config=config) as proxy,
        pytest.raises(PyroError),
    ):
        proxy.echo("x" * 10_000)
    assert sizes[0] < 1000


def test_a_request_over_our_limit_is_not_sent(uri: str, bench: Workbench) -> None:
    config = Configuration(use_environment=False)
    config.MAX_MESSAGE_SIZE = 5000
    with Proxy(uri, config=config) as proxy:
        assert proxy.echo("small") == "small"
        with pytest.raises(MessageTooLargeError, match="max=5000") as caught:
            proxy.add("x" * 6000, "")
        assert caught.value.outcome == "not_sent"
        assert proxy._pyroConnection is not None
        assert proxy.add(1, 2) == 3
    assert bench.calls == 1


def test_an_answer_over_our_limit_ends_the_connection(uri: str) -> None:
    config = Configuration(use_environment=False)
    config.MAX_MESSAGE_SIZE = 5000
    with Proxy(uri, config=config) as proxy:
        with pytest.raises(MessageTooLargeError, match="max=5000") as caught:
            proxy.repeat("x", 6000)
        assert caught.value.outcome == "unknown"
        assert proxy._pyroConnection is None
        assert proxy.add(1, 2) == 3


def test_an_answer_over_the_servers_limit_is_an_error_there() -> None:
    config = Configuration(use_environment=False)
    config.MAX_MESSAGE_SIZE = 5000
    with HostThread(config=config) as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@{host.location}") as proxy:
            with pytest.raises(MessageTooLargeError, match="max=5000"):
                proxy.repeat("x", 6000)
            assert proxy.add(1, 2) == 3


def test_a_request_over_the_servers_limit_is_refused() -> None:
    config = Configuration(use_environment=False)
    config.MAX_MESSAGE_SIZE = 5000
    with HostThread(config=config) as host:
        bench = Workbench()
        host.register(bench, "bench")
        with Proxy(f"PYRO:bench@{host.location}") as proxy:
            with pytest.raises(ProtocolError, match="max=5000"):
                proxy.add("x" * 10_000, "")
            # It does not read on after that.
            proxy._pyroReconnect(1)
            assert proxy.add(1, 2) == 3
        assert bench.calls == 1


def test_a_bomb_of_zeros_is_not_inflated() -> None:
    import zlib

    def script(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        bomb = zlib.compress(bytes(20_000_000), 9)
        header = bytearray(
            b"PYRO"
            + (502).to_bytes(2, "big")
            + bytes([MessageType.RESULT, request.serializer_id])
            + FLAG_COMPRESSED.to_bytes(2, "big")
            + request.sequence.to_bytes(2, "big")
            + len(bomb).to_bytes(4, "big")
            + bytes(4 + 16 + 2)
            + (0x4DC5).to_bytes(2, "big")
        )
        peer.sock.sendall(header + bomb)
        peer.wait_for_end()

    config = Configuration(use_environment=False)
    config.MAX_MESSAGE_SIZE = 1_000_000
    with (
        ScriptedServer(script) as server,
        Proxy(server.uri, config=config) as proxy,
        pytest.raises(MessageTooLargeError),
    ):
        proxy.add(1, 2)


# References


def test_a_registered_object_arrives_as_a_proxy(
    proxy: Proxy, host: HostThread, bench: Workbench
) -> None:
    bench.lent = other = Workbench()
    other_uri = host.register(other, "other")
    with proxy.lend() as lent:
        assert type(lent) is Proxy
        assert lent._pyroUri == other_uri
        assert lent._pyroConnection is None
        assert "add" in lent._pyroMethods
        assert lent.add(1, 2) == 3
    assert other.calls == 1
    assert bench.calls == 0


@pytest.mark.parametrize("serializer", PYRO5_NAMES)
def test_references_travel_with_every_serializer(
    proxy: Proxy, host: HostThread, bench: Workbench, serializer: str
) -> None:
    proxy._pyroSerializer = serializer
    bench.lent = {"inside": [Workbench()]}
    host.register(bench.lent["inside"][0], "other")
    with proxy.lend()["inside"][0] as lent:
        assert lent.add(1, 2) == 3
    assert isinstance(proxy.echo(lent), Proxy)
