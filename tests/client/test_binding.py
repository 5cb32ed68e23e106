"""The binding: how a proxy finds its server, connects, lets go and connects again."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy, current_context
from pyro_protocol import expose
from pyro_protocol.config import Configuration
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    LocalProtocolError,
    NamingError,
    ProtocolError,
    PyroError,
    RemoteProtocolError,
    SerializeError,
)
from pyro_protocol.wire import MessageType
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer
from support.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyro_protocol.dispatch import ClientConnection


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@expose
class NameTable:
    """As much of a name server as resolving asks for."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.tags: dict[str, set[str]] = {}

    def lookup(self, name: str) -> str:
        if name not in self.names:
            raise NamingError(f"unknown name: {name}")
        return self.names[name]

    def yplookup(
        self, meta_all: list[str], meta_any: list[str] | None, return_metadata: bool
    ) -> dict[str, str]:
        wanted = set(meta_all)
        return {
            name: uri
            for name, uri in self.names.items()
            if wanted <= self.tags.get(name, set())
        }


@pytest.fixture
def names(host: HostThread, uri: str) -> NameTable:
    """A name server at the host, which knows the workbench."""
    names = NameTable()
    names.names["house.bench"] = uri
    names.tags["house.bench"] = {"wood", "oak"}
    host.register(names, "Pyro.NameServer")
    return names


# Connecting


def test_the_first_call_connects(proxy: Proxy, host: HostThread) -> None:
    assert host.connection_count == 0
    assert proxy.add(1, 2) == 3
    assert host.connection_count == 1
    assert proxy._pyroConnection is not None


def test_binding_connects_once(proxy: Proxy, host: HostThread) -> None:
    assert proxy._pyroBind() is True
    assert proxy._pyroBind() is False
    proxy.add(1, 2)
    assert host.connection_count == 1


def test_a_released_proxy_connects_again_by_itself(
    proxy: Proxy, host: HostThread
) -> None:
    proxy.add(1, 2)
    proxy._pyroRelease()
    host.wait_for_client_gone()
    assert proxy._pyroConnection is None
    assert proxy.add(1, 2) == 3
    proxy._pyroRelease()
    proxy._pyroRelease()
    host.wait_for_client_gone()


def test_leaving_the_with_block_ends_the_connection(uri: str, host: HostThread) -> None:
    with Proxy(uri) as proxy:
        proxy.add(1, 2)
    host.wait_for_client_gone()
    assert proxy._pyroConnection is None


def test_reconnecting_makes_a_new_connection(proxy: Proxy, host: HostThread) -> None:
    proxy._pyroBind()
    before = proxy._pyroLocalSocket
    proxy._pyroReconnect()
    host.wait_for_client_gone()
    assert proxy._pyroLocalSocket != before
    assert proxy.add(1, 2) == 3


def test_reconnecting_gives_up_after_the_number_of_tries(closed_location: str) -> None:
    proxy = Proxy(f"PYRO:bench@{closed_location}")
    with pytest.raises(ConnectionClosedError, match="failed to reconnect") as caught:
        proxy._pyroReconnect(tries=1)
    assert isinstance(caught.value.__cause__, CommunicationError)
    assert caught.value.outcome == "not_sent"


def test_reconnecting_tries_again_until_the_server_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "socket")
    waits: list[float] = []
    host: list[HostThread] = []

    def start_the_server_instead(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            host.append(HostThread(unixsocket=path))
            host[0].register(Workbench(), "bench")

    monkeypatch.setattr("pyro_client.binding.time.sleep", start_the_server_instead)
    with Proxy(f"PYRO:bench@./u:{path}") as proxy:
        proxy._pyroReconnect(tries=5)
        assert proxy.add(1, 2) == 3
    host[0].stop()
    assert len(waits) == 2
    assert all(1.5 < seconds < 2.5 for seconds in waits)


def test_reconnecting_does_not_repeat_a_failed_lookup(
    names: NameTable, host: HostThread
) -> None:
    with pytest.raises(NamingError, match="attic"):
        Proxy(f"PYRONAME:attic@{host.location}")._pyroReconnect(tries=5)


def test_a_server_that_is_not_there_is_named_in_the_error(closed_location: str) -> None:
    with pytest.raises(
        CommunicationError, match=f"cannot connect to {closed_location}: "
    ) as caught:
        Proxy(f"PYRO:bench@{closed_location}").add(1, 2)
    assert caught.value.outcome == "not_sent"
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "x" * 70])
def test_a_host_that_does_not_exist_is_a_communication_error(host: str) -> None:
    with pytest.raises(CommunicationError, match="cannot connect") as caught:
        Proxy(f"PYRO:bench@{host}:1").add(1, 2)
    assert caught.value.outcome == "not_sent"


def test_an_unknown_object_is_refused_by_the_server(host: HostThread) -> None:
    with pytest.raises(CommunicationError, match="rejected: unknown object") as caught:
        Proxy(f"PYRO:attic@{host.location}").add(1, 2)
    assert caught.value.outcome == "not_sent"


def test_an_object_that_exposes_nothing_is_refused(host: HostThread) -> None:
    host.register(object.__new__(type("Bare", (), {})), "bare")
    proxy = Proxy(f"PYRO:bare@{host.location}")
    with pytest.raises(PyroError, match="exposes nothing"):
        proxy._pyroBind()
    assert proxy._pyroConnection is None
    host.wait_for_client_gone()


def test_a_refusal_of_an_overloaded_server_is_shown() -> None:
    with (
        ScriptedServer(lambda peer: peer.refuse("no free workers")) as server,
        pytest.raises(CommunicationError, match="rejected: no free workers"),
    ):
        Proxy(server.uri).add(1, 2)


def test_a_server_that_hangs_up_instead_of_answering_is_told_apart() -> None:
    with (
        ScriptedServer(lambda peer: peer.receive()) as server,
        pytest.raises(ConnectionClosedError, match="handshake") as caught,
    ):
        Proxy(server.uri).add(1, 2)
    assert caught.value.outcome == "not_sent"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n" * 2, id="http"),
        pytest.param(b"PYRO" + (48).to_bytes(2, "big") + bytes(40), id="Pyro4"),
        pytest.param(bytes(100), id="zeros"),
    ],
)
def test_something_that_is_no_pyro_server_is_a_protocol_error(answer: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.receive()
        peer.sock.sendall(answer)

    with ScriptedServer(script) as server, pytest.raises(ProtocolError) as caught:
        Proxy(server.uri).add(1, 2)
    assert caught.value.outcome == "not_sent"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({"handshake": "hello"}, id="no metadata"),
        pytest.param({"handshake": "hello", "meta": {"methods": []}}, id="half of it"),
        pytest.param(["hello"], id="a list"),
        pytest.param(None, id="nothing"),
        pytest.param(
            {"handshake": 1, "meta": {"methods": 5, "oneway": [], "attrs": []}},
            id="a number for the names",
        ),
    ],
)
def test_an_incomplete_handshake_is_a_protocol_error(payload: object) -> None:
    def script(peer: Peer) -> None:
        from pyro_protocol.serializers import serializers

        connect = peer.receive()
        peer.send(MessageType.CONNECTOK, connect, serializers["serpent"].dumps(payload))
        peer.wait_for_end()

    with ScriptedServer(script) as server, pytest.raises(RemoteProtocolError):
        Proxy(server.uri).add(1, 2)


# Where objects are


def test_a_name_is_resolved_by_the_name_server(
    names: NameTable, host: HostThread
) -> None:
    with Proxy(f"PYRONAME:house.bench@{host.location}") as proxy:
        assert proxy.add(1, 2) == 3
        assert proxy._pyroUri.protocol == "PYRONAME"


def test_binding_replaces_a_name_by_what_it_resolves_to(
    names: NameTable, host: HostThread, uri: str
) -> None:
    with Proxy(f"PYRONAME:house.bench@{host.location}") as proxy:
        proxy._pyroBind()
        assert str(proxy._pyroUri) == uri


def test_a_name_is_looked_up_each_time_it_connects(
    names: NameTable, host: HostThread
) -> None:
    host.register(NameTable(), "elsewhere")
    with Proxy(f"PYRONAME:house.bench@{host.location}") as proxy:
        assert proxy.add(1, 2) == 3
        names.names["house.bench"] = f"PYRO:elsewhere@{host.location}"
        proxy._pyroRelease()
        proxy._pyroReconnect(1)
        assert "lookup" in proxy._pyroMethods


def test_metadata_of_a_named_object_can_be_asked_for_before_anything_else(
    names: NameTable, host: HostThread
) -> None:
    with Proxy(f"PYRONAME:house.bench@{host.location}") as proxy:
        proxy._pyroGetMetadata()
        assert "add" in proxy._pyroMethods


def test_an_unknown_name_is_a_naming_error(names: NameTable, host: HostThread) -> None:
    with pytest.raises(NamingError, match="attic"):
        Proxy(f"PYRONAME:attic@{host.location}").add(1, 2)


def test_a_missing_name_server_is_a_naming_error(closed_location: str) -> None:
    with pytest.raises(NamingError, match=closed_location):
        Proxy(f"PYRONAME:house.bench@{closed_location}").add(1, 2)


def test_an_object_is_found_by_its_metadata(names: NameTable, host: HostThread) -> None:
    with Proxy(f"PYROMETA:oak,wood@{host.location}") as proxy:
        assert proxy.add(1, 2) == 3
    with pytest.raises(NamingError, match="iron"):
        Proxy(f"PYROMETA:oak,iron@{host.location}").add(1, 2)


def test_objects_are_reached_over_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "bench socket")
    with HostThread(unixsocket=path) as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@./u:{path}") as proxy:
            assert proxy.add(1, 2) == 3
            assert "connected Unix" in repr(proxy)


def test_a_name_server_at_a_unix_socket_is_asked(tmp_path: Path, uri: str) -> None:
    path = str(tmp_path / "names")
    names = NameTable()
    names.names["house.bench"] = uri
    with HostThread(unixsocket=path) as host:
        host.register(names, "Pyro.NameServer")
        with Proxy(f"PYRONAME:house.bench@./u:{path}") as proxy:
            assert proxy.add(1, 2) == 3


def test_a_unix_socket_that_is_not_there_is_a_communication_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(CommunicationError, match=r"cannot connect to ./u:"):
        Proxy(f"PYRO:bench@./u:{tmp_path / 'nothing'}").add(1, 2)


@pytest.mark.skipif(not has_ipv6(), reason="the machine has no IPv6")
def test_objects_are_reached_over_ipv6() -> None:
    with HostThread(host="::1") as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@{host.location}") as proxy:
            assert proxy.add(1, 2) == 3
            assert "[::1]:" in str(proxy._pyroUri)
            assert "connected IPv6" in repr(proxy)


def test_the_local_address_is_known_while_connected(proxy: Proxy) -> None:
    addresses: list[Any] = [proxy._pyroLocalSocket]
    proxy._pyroBind()
    addresses.append(proxy._pyroLocalSocket)
    proxy._pyroRelease()
    addresses.append(proxy._pyroLocalSocket)
    before, connected, after = addresses
    assert connected[0] == "127.0.0.1"
    assert before is after is None


# The handshake


def test_the_handshake_value_is_for_the_server_to_judge() -> None:
    def only_sue(client: ClientConnection, data: Any) -> Any:
        if data != {"user": "sue"}:
            raise ValueError("only sue may use this")
        return "welcome"

    with HostThread(validate_handshake=only_sue) as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@{host.location}") as proxy:
            with pytest.raises(CommunicationError, match="rejected: only sue"):
                proxy.add(1, 2)
            proxy._pyroHandshake = {"user": "sue"}
            assert proxy.add(1, 2) == 3


class CautiousProxy(Proxy):
    """Refuses servers that do not know the password."""

    answers: list[Any] = []  # noqa: RUF012 - shared on purpose

    def _pyroValidateHandshake(self, response: Any) -> None:
        assert self._pyroConnection is not None
        self.answers.append(response)
        if response != "swordfish":
            raise PermissionError("this is not our server")


def test_the_servers_answer_is_for_the_proxy_to_judge(uri: str) -> None:
    with HostThread(validate_handshake=lambda _client, _data: "swordfish") as host:
        host.register(Workbench(), "bench")
        with CautiousProxy(f"PYRO:bench@{host.location}") as proxy:
            assert proxy.add(1, 2) == 3


def test_a_proxy_whose_check_failed_is_not_usable(
    uri: str, host: HostThread, bench: Workbench
) -> None:
    with CautiousProxy(uri) as proxy:
        for _ in range(3):
            with pytest.raises(PermissionError, match="not our server"):
                proxy.add(1, 2)
            assert proxy._pyroConnection is None
            assert proxy._pyroMethods == set()
            host.wait_for_client_gone()
    assert bench.calls == 0


def test_a_kept_method_of_a_proxy_whose_check_fails_is_not_usable(
    uri: str, host: HostThread, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.host.service, "validate_handshake", lambda *_: "swordfish")
    add = CautiousProxy(uri).add
    assert add(1, 2) == 3
    monkeypatch.setattr(host.host.service, "validate_handshake", lambda *_: "herring")
    host.call(lambda: [one.abort() for one in host.host._protocols])
    host.wait_for_client_gone()
    with pytest.raises(ConnectionClosedError):
        add(1, 2)
    with pytest.raises(PermissionError):
        add(1, 2)
    assert bench.calls == 1


def test_no_other_thread_gets_past_a_check_that_is_still_going_on(
    uri: str, bench: Workbench
) -> None:
    checking, go_on = threading.Event(), threading.Event()

    class SlowlyRefusing(Proxy):
        def _pyroValidateHandshake(self, response: Any) -> None:
            checking.set()
            assert go_on.wait(DEADLINE)
            raise PermissionError("this is not our server")

    errors: list[Exception] = []

    def call() -> None:
        try:
            proxy.add(1, 2)
        except PermissionError as error:
            errors.append(error)

    with SlowlyRefusing(uri) as proxy:
        first, second = (threading.Thread(target=call) for _ in range(2))
        first.start()
        assert checking.wait(DEADLINE)
        # What it would go by if it used the connection that is being checked.
        proxy._pyroGetMetadata(
            known_metadata={"methods": ["add"], "oneway": [], "attrs": []}
        )
        second.start()
        go_on.set()
        first.join(DEADLINE)
        second.join(DEADLINE)
    assert len(errors) == 2
    assert bench.calls == 0


def test_the_check_may_make_calls_of_its_own(uri: str) -> None:
    class Asking(Proxy):
        def _pyroValidateHandshake(self, response: Any) -> None:
            if self.level != 1:
                raise PermissionError("wrong level")

    with Asking(uri) as proxy:
        assert proxy.add(1, 2) == 3


def test_what_the_server_says_with_its_answer_is_in_the_context(
    proxy: Proxy, host: HostThread
) -> None:
    host.host.service.annotations = lambda: {"MOTD": b"be nice"}
    proxy._pyroBind()
    assert bytes(current_context.response_annotations["MOTD"]) == b"be nice"


# Sequence numbers


def test_sequence_numbers_go_on_over_connections(proxy: Proxy) -> None:
    assert proxy._pyroSeq == 0
    proxy.add(1, 2)
    proxy.add(1, 2)
    assert proxy._pyroSeq == 2
    proxy._pyroRelease()
    assert proxy._pyroSeq == 2
    proxy.add(1, 2)
    assert proxy._pyroSeq == 3


def test_connect_carries_the_number_last_used() -> None:
    numbers: list[int] = []

    def script(peer: Peer) -> None:
        numbers.append(peer.admit().sequence)
        request = peer.receive()
        numbers.append(request.sequence)
        peer.answer(request, 3)
        peer.wait_for_end()

    with ScriptedServer(script, script) as server, Proxy(server.uri) as proxy:
        proxy.add(1, 2)
        proxy._pyroRelease()
        proxy.add(1, 2)
        proxy._pyroRelease()
    assert numbers == [0, 1, 1, 2]


def test_sequence_numbers_begin_again_after_65535(proxy: Proxy) -> None:
    proxy._pyroBind()
    assert proxy._pyroConnection is not None
    proxy._pyroConnection._session.sequence = 65534
    assert [proxy.add(1, 1), proxy._pyroSeq] == [2, 65535]
    assert [proxy.add(1, 1), proxy._pyroSeq] == [2, 0]


# Sockets that the program has connected


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Peer]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, Peer(theirs)


def serve_metadata(peer: Peer) -> None:
    request = peer.receive()
    assert (request.kind, request.sequence) == (MessageType.INVOKE, 1)
    object_id, method, args, _kwargs = peer.call_of(request)
    assert (object_id, method, list(args)) == ("Pyro.Daemon", "get_metadata", ["bench"])
    peer.answer(request, {"methods": ["add"], "oneway": [], "attrs": []})


def serve_add(peer: Peer) -> None:
    request = peer.receive()
    _object, _method, (a, b), _kwargs = peer.call_of(request)
    peer.answer(request, a + b)


class Serving:
    """Plays scripts at one socket in a thread."""

    def __init__(self, peer: Peer, *scripts: Any) -> None:
        self._thread = threading.Thread(target=lambda: [one(peer) for one in scripts])

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_exc_info: object) -> None:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


def test_a_connected_socket_is_used_without_a_handshake(
    pair: tuple[socket.socket, Peer],
) -> None:
    ours, peer = pair
    with Serving(peer, serve_metadata, serve_add):
        proxy = Proxy("bench", connected_socket=ours)
        assert str(proxy._pyroUri) == "PYRO:bench@<<connected-socket>>:0"
        assert proxy._pyroMethods == {"add"}
        assert proxy.add(2, 3) == 5
        assert "connected Unix" in repr(proxy)


def test_a_connected_socket_stays_open_and_can_be_used_again(
    pair: tuple[socket.socket, Peer],
) -> None:
    ours, peer = pair
    with Serving(peer, serve_metadata, serve_add, serve_metadata, serve_add, serve_add):
        with Proxy("bench", connected_socket=ours) as proxy:
            assert proxy.add(2, 3) == 5
        assert ours.fileno() != -1
        with Proxy("bench", connected_socket=ours) as another:
            assert another.add(3, 4) == 7
        # Released is not lost: nothing is under way on the socket.
        assert another.add(4, 5) == 9


def test_a_connected_socket_with_an_answer_still_to_come_is_not_used_again(
    pair: tuple[socket.socket, Peer],
) -> None:
    ours, peer = pair
    late = threading.Event()

    def answer_too_late(peer: Peer) -> None:
        request = peer.receive()
        assert late.wait(DEADLINE)
        peer.answer(request, "the answer to the first question")

    with Serving(peer, serve_metadata, answer_too_late):
        proxy = Proxy("bench", connected_socket=ours)
        proxy._pyroTimeout = 0.05
        with pytest.raises(CommunicationError, match="timeout"):
            proxy.add(2, 3)
        late.set()
        for _ in range(3):
            with pytest.raises(ConnectionClosedError, match="socket"):
                proxy.add(3, 4)
            proxy._pyroRelease()


def test_an_unknown_object_behind_a_connected_socket_is_shown_at_once(
    pair: tuple[socket.socket, Peer],
) -> None:
    from pyro_protocol.errors import DaemonError
    from pyro_protocol.wire import FLAG_EXCEPTION

    ours, peer = pair

    def refuse(peer: Peer) -> None:
        peer.answer(peer.receive(), DaemonError("unknown object"), flags=FLAG_EXCEPTION)

    with Serving(peer, refuse), pytest.raises(DaemonError, match="unknown object"):
        Proxy("bench", connected_socket=ours)


# Serializers


def test_native_is_used_where_both_sides_have_it(proxy: Proxy) -> None:
    assert proxy.echo((1, {2, 3}, b"four")) == (1, {2, 3}, b"four")
    assert proxy._pyroConnection is not None
    assert proxy._pyroConnection.native


def test_the_serializer_may_be_changed_while_connected(proxy: Proxy) -> None:
    assert proxy.echo((1, 2)) == (1, 2)
    proxy._pyroSerializer = "json"
    assert proxy.echo((1, 2)) == [1, 2]
    proxy._pyroSerializer = None
    assert proxy.echo((1, 2)) == (1, 2)


def test_an_unknown_serializer_is_an_error_when_it_is_used(proxy: Proxy) -> None:
    proxy._pyroSerializer = "yaml"
    with pytest.raises(ValueError, match=r"'yaml'.*known:.*json"):
        proxy.add(1, 2)
    proxy._pyroSerializer = "json"
    assert proxy.add(1, 2) == 3
    proxy._pyroSerializer = "yaml"
    with pytest.raises(ValueError, match=r"'yaml'.*known:.*json"):
        proxy.add(1, 2)


def test_demanding_native_of_a_server_without_it_is_an_error() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        peer.wait_for_end()

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        proxy._pyroSerializer = "native"
        with pytest.raises(LocalProtocolError, match="native") as caught:
            proxy.add(1, 2)
    assert caught.value.outcome == "not_sent"


def test_serpent_is_used_with_a_server_that_knows_nothing_else() -> None:
    def script(peer: Peer) -> None:
        assert peer.admit().serializer_id == 1
        request = peer.receive()
        assert request.serializer_id == 1
        peer.answer(request, 3)

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        assert proxy.add(1, 2) == 3


def test_marshal_is_refused_by_a_server_that_has_not_opted_in(
    proxy: Proxy,
) -> None:
    proxy._pyroSerializer = "marshal"
    with pytest.raises(CommunicationError, match="SERIALIZERS_ACCEPTED"):
        proxy.add(1, 2)


@pytest.mark.parametrize("name", ["native", "serpent", "json", "msgpack", "marshal"])
def test_every_serializer_carries_calls_attributes_and_exceptions(name: str) -> None:
    config = Configuration(use_environment=False)
    config.SERIALIZERS_ACCEPTED = [name, "serpent"]
    client_config = Configuration(use_environment=False)
    client_config.SERIALIZER = name
    with HostThread(config=config) as host:
        host.register(Workbench(), "bench")
        with Proxy(f"PYRO:bench@{host.location}", config=client_config) as proxy:
            assert proxy.add(2, b=3) == 5
            proxy.level = 7
            assert proxy.level == 7
            with pytest.raises(ValueError, match="stuck") as caught:
                proxy.fail()
            assert caught.value.args == ("the vice is stuck", 7)
            assert list(proxy.count(3)) == [0, 1, 2]
            batch = proxy._pyroBatch()
            batch.add(1, 2)
            batch.add(3, 4)
            assert list(batch()) == [3, 7]


def test_what_cannot_be_encoded_is_not_sent(proxy: Proxy, bench: Workbench) -> None:
    proxy._pyroSerializer = "json"
    with pytest.raises(SerializeError, match="complex") as caught:
        proxy.add(1j, 2)
    assert caught.value.outcome == "not_sent"
    assert proxy._pyroConnection is not None
    assert proxy.add(1, 2) == 3
    assert bench.calls == 1
