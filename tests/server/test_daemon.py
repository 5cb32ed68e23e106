from __future__ import annotations

import gc
import ipaddress
import re
import socket
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import current_context, expose
from pyro_protocol.config import Configuration
from pyro_protocol.dispatch import DAEMON_NAME, ClientConnection, DaemonObject
from pyro_protocol.errors import (
    CommunicationError,
    DaemonError,
    PyroError,
    SerializeError,
)
from pyro_server import Daemon, behavior
from support.daemons import RawClient, eventually, serving
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pyro_protocol.transport import BlockingChannel

has_ipv6 = socket.has_dualstack_ipv6()


@expose
class Lamp:
    def __init__(self, colour: str = "white") -> None:
        self.colour = colour

    def shine(self) -> str:
        return self.colour


class Slotted:
    __slots__ = ()

    @expose
    def shine(self) -> str:
        return "slotted"


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon that does not serve: enough for everything but calls."""
    with Daemon(config=Configuration(use_environment=False)) as daemon:
        yield daemon


def location_of(reference: Any) -> str:
    """Return the URI of what a registered object has become on its way."""
    return str(reference._pyro_state_()[0])


def test_an_object_gets_a_random_id_unless_one_is_given(daemon: Daemon) -> None:
    assert re.fullmatch("obj_[0-9a-f]{32}", str(daemon.register(Lamp()).object))
    assert re.fullmatch("obj_[0-9a-f]{32}", str(daemon.register(Lamp(), "").object))
    uri = daemon.register(Lamp(), "hall.lamp")
    assert str(uri) == f"PYRO:hall.lamp@{daemon.locationStr}"


def test_a_registered_object_knows_its_id_and_daemon(daemon: Daemon) -> None:
    lamp: Any = Lamp()
    daemon.register(lamp, "lamp")
    assert lamp._pyroId == "lamp"
    assert lamp._pyroDaemon.uriFor(lamp) == daemon.uriFor("lamp")
    daemon.unregister(lamp)
    assert not hasattr(lamp, "_pyroId")
    assert not hasattr(lamp, "_pyroDaemon")


def test_an_object_that_takes_no_attributes_can_be_registered(daemon: Daemon) -> None:
    slotted = Slotted()
    uri = daemon.register(slotted)
    assert daemon.uriFor(slotted) == uri
    daemon.unregister(slotted)
    with pytest.raises(DaemonError, match="not registered"):
        daemon.uriFor(slotted)


def test_an_id_has_to_be_text(daemon: Daemon) -> None:
    with pytest.raises(TypeError, match="must be text, not int"):
        daemon.register(Lamp(), 5)  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize("object_id", ["two words", "a@b", "tab\t", "\n"])
def test_an_id_that_cannot_be_in_a_uri_is_refused_and_nothing_registered(
    daemon: Daemon, object_id: str
) -> None:
    lamp = Lamp()
    with pytest.raises(DaemonError, match="cannot be part of a URI"):
        daemon.register(lamp, object_id)
    assert list(daemon.objectsById) == [DAEMON_NAME]
    assert not hasattr(lamp, "_pyroId")


def test_an_object_is_not_registered_twice_unless_forced(daemon: Daemon) -> None:
    lamp = Lamp()
    daemon.register(lamp, "first")
    with pytest.raises(DaemonError, match="already registered here as 'first'"):
        daemon.register(lamp, "second")
    daemon.register(lamp, "second", force=True)
    assert daemon.objectsById["first"] is daemon.objectsById["second"] is lamp


def test_an_id_is_not_given_twice_unless_forced(daemon: Daemon) -> None:
    old, new = Lamp(), Lamp()
    daemon.register(old, "lamp")
    with pytest.raises(DaemonError, match="already registered here under 'lamp'"):
        daemon.register(new, "lamp")
    daemon.register(new, "lamp", force=True)
    assert daemon.objectsById["lamp"] is new
    with pytest.raises(DaemonError, match="not registered"):
        daemon.uriFor(old)


def test_the_id_of_the_daemon_itself_is_taken(daemon: Daemon) -> None:
    with pytest.raises(DaemonError, match="already registered"):
        daemon.register(Lamp(), DAEMON_NAME)


def test_equal_objects_are_different_objects(daemon: Daemon) -> None:
    class Equal(Lamp):
        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment] # also those that cannot be hashed

    one, other = Equal(), Equal()
    daemon.register(one, "one")
    daemon.register(other, "other")
    assert daemon.uriFor(one) == daemon.uriFor("one")
    assert daemon.uriFor(other) == daemon.uriFor("other")


def test_an_object_can_be_registered_with_several_daemons(daemon: Daemon) -> None:
    lamp = Lamp()
    with Daemon(config=Configuration(use_environment=False)) as other:
        daemon.register(lamp, "here")
        other.register(lamp, "there")
        assert daemon.uriFor(lamp) == daemon.uriFor("here")
        assert other.uriFor(lamp) == other.uriFor("there")


def test_unregistering_takes_the_object_or_its_id(daemon: Daemon) -> None:
    by_object, by_id = Lamp(), Lamp()
    daemon.register(by_object)
    daemon.register(by_id, "lamp")
    daemon.unregister(by_object)
    daemon.unregister("lamp")
    assert list(daemon.objectsById) == [DAEMON_NAME]
    # It can be registered again, by whatever way it was unregistered.
    daemon.register(by_object)
    daemon.register(by_id)


def test_unregistering_what_is_not_registered(daemon: Daemon) -> None:
    daemon.unregister("nobody")
    with pytest.raises(DaemonError, match="not registered here"):
        daemon.unregister(Lamp())
    with pytest.raises(ValueError, match="needed"):
        daemon.unregister(None)


def test_the_daemons_own_object_cannot_be_unregistered(daemon: Daemon) -> None:
    daemon.unregister(DAEMON_NAME)
    daemon.unregister(daemon.objectsById[DAEMON_NAME])
    assert DAEMON_NAME in daemon.objectsById


def test_a_class_can_be_registered(daemon: Daemon) -> None:
    uri = daemon.register(Lamp, "lamp")
    assert daemon.uriFor(Lamp) == uri
    daemon.unregister(Lamp)
    assert not hasattr(Lamp, "_pyroId")


def test_a_weakly_registered_object_may_vanish(daemon: Daemon) -> None:
    lamp = Lamp()
    gone = threading.Event()
    weakref.finalize(lamp, gone.set)
    daemon.register(lamp, "lamp", weak=True)
    assert isinstance(daemon.objectsById["lamp"], weakref.ref)
    assert daemon.uriFor(lamp) == daemon.uriFor("lamp")
    del lamp
    gc.collect()
    assert gone.is_set()
    assert "lamp" not in daemon.objectsById
    daemon.register(Lamp(), "lamp")


def test_a_class_cannot_be_registered_weakly(daemon: Daemon) -> None:
    with pytest.raises(TypeError, match="weakly"):
        daemon.register(Lamp, weak=True)


def test_a_registered_object_is_kept_alive_and_let_go_at_the_end() -> None:
    lamp = Lamp()
    gone = threading.Event()
    weakref.finalize(lamp, gone.set)
    with Daemon(config=Configuration(use_environment=False)) as daemon:
        daemon.register(lamp)
        del lamp
        gc.collect()
        assert not gone.is_set()
    gc.collect()
    assert gone.is_set()


def test_a_uri_can_be_asked_for_by_object_or_by_any_id(daemon: Daemon) -> None:
    lamp = Lamp()
    uri = daemon.register(lamp, "lamp")
    assert daemon.uriFor(lamp) == uri
    assert daemon.uriFor("lamp") == uri
    assert daemon.uriFor("anything").object == "anything"
    with pytest.raises(DaemonError, match="not registered here"):
        daemon.uriFor(Lamp())


def test_a_proxy_knows_the_metadata_already(daemon: Daemon) -> None:
    lamp = Lamp()
    uri = daemon.register(lamp)
    for proxy in (daemon.proxyFor(lamp), daemon.proxyFor(str(uri.object))):
        state = proxy._pyro_state_()
        assert str(state[0]) == str(uri)
        assert set(state[2]) == {"shine"}
    for unknown in ("nobody", Lamp()):
        with pytest.raises(DaemonError, match="not registered here"):
            daemon.proxyFor(unknown)


def test_it_listens_on_localhost_unless_told_otherwise(daemon: Daemon) -> None:
    assert re.fullmatch(r"localhost:\d+", daemon.locationStr)
    assert daemon.sock.getsockname()[0] in ("127.0.0.1", "::1")


def test_an_address_object_will_do_for_a_host() -> None:
    address = ipaddress.IPv4Address("127.0.0.1")
    with Daemon(address, config=Configuration(use_environment=False)) as daemon:  # type: ignore[arg-type] # accepted, as in Pyro5
        assert re.fullmatch(r"127\.0\.0\.1:\d+", daemon.locationStr)


def test_the_empty_host_means_all_interfaces() -> None:
    with Daemon("", config=Configuration(use_environment=False)) as daemon:
        assert re.fullmatch(r"0\.0\.0\.0:\d+", daemon.locationStr)


def test_a_port_in_use_is_named_in_the_error(daemon: Daemon) -> None:
    port = daemon.sock.getsockname()[1]
    with pytest.raises(CommunicationError, match=f"cannot listen on localhost:{port}"):
        Daemon("localhost", port, config=Configuration(use_environment=False))


def test_a_host_that_does_not_exist_is_named_in_the_error() -> None:
    with pytest.raises(CommunicationError, match=r"cannot listen on nowhere\.invalid"):
        Daemon("nowhere.invalid", config=Configuration(use_environment=False))


@pytest.mark.skipif(not has_ipv6, reason="this machine has no IPv6")
def test_ipv6(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    uri = start(Daemon, "::1").register(Lamp(), "lamp")
    assert re.fullmatch(r"PYRO:lamp@\[::1\]:\d+", str(uri))
    assert connect(uri).call("lamp", "shine") == "white"


def test_nat_is_what_uris_show(daemon: Daemon) -> None:
    config = Configuration(use_environment=False)
    assert daemon.natLocationStr is None
    with Daemon("127.0.0.1", nathost="example.org", natport=4444, config=config) as one:
        uri = one.register(Lamp(), "lamp")
        assert str(uri) == "PYRO:lamp@example.org:4444"
        assert str(one.uriFor("lamp", nat=False)) == f"PYRO:lamp@{one.locationStr}"
        assert one.natLocationStr == "example.org:4444"
        state = one.proxyFor("lamp", nat=False)._pyro_state_()
        assert str(state[0]) == f"PYRO:lamp@{one.locationStr}"


def test_nat_port_0_means_the_real_one() -> None:
    config = Configuration(use_environment=False)
    with Daemon(nathost="2001:db8::1", natport=0, config=config) as daemon:
        port = daemon.sock.getsockname()[1]
        assert daemon.natLocationStr == f"[2001:db8::1]:{port}"
    config.NATHOST, config.NATPORT = "example.org", 4445
    with Daemon(config=config) as daemon:
        assert daemon.natLocationStr == "example.org:4445"


def test_nat_settings_that_do_not_go_together(tmp_path: Path) -> None:
    config = Configuration(use_environment=False)
    with pytest.raises(ValueError, match="nathost"):
        Daemon(natport=4444, config=config)
    with pytest.raises(ValueError, match="Unix socket"):
        Daemon(unixsocket=str(tmp_path / "s"), nathost="example.org", config=config)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(("least", "most"), [(0, 4), (5, 4)])
def test_impossible_pool_sizes_are_refused(
    least: int, most: int, tmp_path: Path
) -> None:
    config = Configuration(use_environment=False)
    config.THREADPOOL_SIZE_MIN, config.THREADPOOL_SIZE = least, most
    with pytest.raises(ValueError, match="THREADPOOL_SIZE"):
        Daemon(unixsocket=str(tmp_path / "socket"), config=config)
    assert not (tmp_path / "socket").exists()


def test_a_unix_socket_is_for_its_owner_alone_and_removed_at_the_end(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    tmp_path: Path,
) -> None:
    path = tmp_path / "socket"
    daemon = start(Daemon, unixsocket=str(path))
    assert daemon.locationStr == f"./u:{path}"
    assert path.stat().st_mode & 0o777 == 0o600
    uri = daemon.register(Lamp(), "lamp")
    assert connect(uri).call("lamp", "shine") == "white"
    daemon.shutdown()
    assert not path.exists()


def test_a_unix_socket_left_behind_is_replaced_and_one_in_use_is_not(
    tmp_path: Path,
) -> None:
    config = Configuration(use_environment=False)
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with Daemon(unixsocket=str(path), config=config):
        with pytest.raises(CommunicationError, match="another server listens there"):
            Daemon(unixsocket=str(path), config=config)
        assert path.exists()
    path.write_text("not a socket")
    with pytest.raises(CommunicationError, match="not a socket"):
        Daemon(unixsocket=str(path), config=config)


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="abstract: Linux only")
def test_an_abstract_unix_socket(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    tmp_path: Path,
) -> None:
    # The folder makes the name unique.
    uri = start(Daemon, unixsocket=f"\0{tmp_path}").register(Lamp(), "lamp")
    assert connect(uri).call("lamp", "shine") == "white"


def test_the_daemon_object(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    daemon = start()
    daemon.register(Lamp(), "lamp")
    channel = connect(daemon.uriFor(DAEMON_NAME))
    assert channel.accepted is not None
    assert channel.accepted.methods == {
        *("registered", "ping", "info", "get_metadata"),
        *("get_next_stream_item", "close_stream", "get_description", "release"),
    }
    assert channel.accepted.attributes == channel.accepted.oneway == set()
    assert sorted(channel.call(DAEMON_NAME, "registered")) == [DAEMON_NAME, "lamp"]
    assert channel.call(DAEMON_NAME, "ping") is None
    assert daemon.locationStr in channel.call(DAEMON_NAME, "info")
    metadata = channel.call(DAEMON_NAME, "get_metadata", ("lamp",))
    assert set(metadata["methods"]) == {"shine"}
    with pytest.raises(DaemonError, match="unknown object 'nobody'"):
        channel.call(DAEMON_NAME, "get_metadata", ("nobody",))


def test_the_daemon_object_can_be_of_another_class(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    class Talkative(DaemonObject):
        @expose
        def greet(self) -> str:
            return f"this is {self.daemon.locationStr}"

    daemon = start(Daemon, interface=Talkative)
    channel = connect(daemon.uriFor(DAEMON_NAME))
    assert channel.call(DAEMON_NAME, "greet") == f"this is {daemon.locationStr}"
    assert channel.call(DAEMON_NAME, "ping") is None


def test_nothing_is_left_where_the_daemon_object_cannot_be_made(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with pytest.raises(ZeroDivisionError):
        Daemon(
            unixsocket=str(path),
            interface=lambda _daemon: 1 / 0,  # type: ignore[arg-type] # fails, as a class may
            config=Configuration(use_environment=False),
        )
    assert not path.exists()


def test_repr_shows_where_it_is_and_whether_it_is_closed(daemon: Daemon) -> None:
    daemon.register(Lamp())
    assert re.fullmatch(
        r"<pyro_server\.daemon\.Daemon at 0x[0-9a-f]+; localhost:\d+; 2 objects>",
        repr(daemon),
    )
    daemon.close()
    assert repr(daemon).endswith("; closed>")


def test_a_closed_daemon_is_not_used_again(daemon: Daemon) -> None:
    with daemon:
        pass
    daemon.close()
    daemon.shutdown()
    assert daemon.sock.fileno() == -1
    with pytest.raises(PyroError, match="closed"), daemon:
        pass


def test_metadata_is_kept_until_it_is_reset(daemon: Daemon) -> None:
    @expose
    class Changing:
        def first(self) -> None: ...

    changing = Changing()
    daemon.register(changing, "changing")

    @expose
    def second(_self: Any) -> None: ...

    Changing.second = second  # type: ignore[attr-defined] # a class that changes
    for target in (changing, "changing"):
        assert set(daemon.proxyFor("changing")._pyro_state_()[2]) <= {"first", "second"}
        daemon.resetMetadataCache(target)
        assert set(daemon.proxyFor("changing")._pyro_state_()[2]) == {"first", "second"}


@expose
class Shop:
    def __init__(self) -> None:
        self.lamp = Lamp()

    def lend(self) -> Any:
        return self.lamp

    def lend_all(self) -> Any:
        return {"lamps": [self.lamp]}

    def name_of(self, reference: Any) -> str:
        return location_of(reference)


@pytest.mark.parametrize("serializer", ["native", "serpent", "json", "msgpack"])
def test_a_registered_object_travels_as_a_reference(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    serializer: str,
) -> None:
    daemon, shop = start(), Shop()
    uri = str(daemon.register(shop.lamp, "lamp"))
    channel = connect(daemon.register(shop, "shop"), serializer=serializer)
    assert location_of(channel.call("shop", "lend")) == uri
    (lamp,) = channel.call("shop", "lend_all")["lamps"]
    assert location_of(lamp) == uri
    # It arrives at the server as what it is.
    assert channel.call("shop", "name_of", (lamp,)) == uri


def test_an_object_that_is_unregistered_travels_as_no_reference(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    daemon, shop = start(), Shop()
    channel = connect(daemon.register(shop, "shop"), serializer="serpent")
    for target in (shop.lamp, "lamp"):
        daemon.register(shop.lamp, "lamp")
        daemon.unregister(target)
        with pytest.raises(SerializeError, match=r"class: .*\.Lamp"):
            channel.call("shop", "lend")


def test_of_several_daemons_the_last_one_answers_for_an_object(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    first, shop = start(), Shop()
    channel = connect(first.register(shop, "shop"))
    first.register(shop.lamp, "lamp")
    second = start()
    uri = second.register(shop.lamp, "lamp")
    assert location_of(channel.call("shop", "lend")) == str(uri)
    second.shutdown()
    assert location_of(channel.call("shop", "lend")) == str(first.uriFor("lamp"))


def test_the_one_instance_of_a_class_travels_as_a_reference_to_itself(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    @behavior(instance_mode="single")
    class Only(Shop):
        @expose
        def me(self) -> Any:
            return self

        @expose
        def another(self) -> Any:
            return type(self)()

    daemon = start()
    uri = daemon.register(Only, "only")
    channel = connect(uri, serializer="serpent")
    assert location_of(channel.call("only", "me")) == str(uri)
    with pytest.raises(SerializeError, match=r"class: .*\.Only"):
        channel.call("only", "another")


class Guarded(Daemon):
    """Lets in those that know the word."""

    def __init__(self, **kwargs: Any) -> None:
        self.gone = threading.Semaphore(0)
        self.clients: list[ClientConnection] = []
        self.houses_kept = threading.Semaphore(0)
        super().__init__(**kwargs)

    def validateHandshake(self, conn: ClientConnection, data: Any) -> Any:
        if data == "exit":
            raise SystemExit("broken on purpose")
        if data != "friend":
            raise ValueError(f"{data!r} is not the word")
        self.clients.append(conn)
        return f"welcome, {conn.sock.fileno() >= 0}"

    def clientDisconnect(self, conn: ClientConnection) -> None:
        assert conn in self.clients
        self.gone.release()
        raise RuntimeError("a hook may fail")

    def annotations(self) -> Mapping[str, Any]:
        return {"TEST": b"from the daemon"}

    def housekeeping(self) -> None:
        self.houses_kept.release()
        raise RuntimeError("a hook may fail")


def test_the_handshake_hook_decides_who_is_let_in(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    uri = start(Guarded).register(Lamp(), "lamp")
    channel = connect(uri, handshake="friend")
    assert channel.accepted is not None
    assert channel.accepted.handshake == "welcome, True"
    assert channel.call("lamp", "shine") == "white"
    with pytest.raises(CommunicationError, match="rejected: 'foe' is not the word"):
        connect(uri, handshake="foe")
    refused = raw(uri)
    refused.send(refused.connect_message(handshake="foe"))
    # Nothing that it sends along is of any use to it.
    refused.send(refused.call_message("shine"))
    assert "is not the word" in refused.refusal()
    eventually(lambda: "refused" in caplog.text)


def test_a_hook_that_wants_to_exit_costs_its_client_alone(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    settings: Configuration,
) -> None:
    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 2
    uri = start(Guarded).register(Lamp(), "lamp")
    for _ in range(5):
        with pytest.raises(CommunicationError):
            connect(uri, handshake="exit")
    assert connect(uri, handshake="friend").call("lamp", "shine") == "white"


def test_a_request_right_behind_the_handshake_is_answered(
    start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> None:
    for daemon_class, word in ((Daemon, "hello"), (Guarded, "friend")):
        client = raw(start(daemon_class).register(Lamp(), "lamp"))
        client.send(
            client.connect_message(handshake=word)
            + client.call_message("shine")
            + client.call_message("shine")
        )
        client.receive()
        assert [client.receive_value(), client.receive_value()] == ["white", "white"]


def test_the_hook_for_clients_that_go_is_told_of_those_that_were_let_in(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    raw: Callable[..., RawClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    daemon = start(Guarded)
    assert isinstance(daemon, Guarded)
    uri = daemon.register(Lamp(), "lamp")
    raw(uri).close()
    refused = raw(uri)
    refused.send(refused.connect_message())
    assert refused.refusal()
    connect(uri, handshake="friend").close()
    assert daemon.gone.acquire(timeout=DEADLINE)
    eventually(lambda: "a hook may fail" in caplog.text)
    connect(uri, handshake="friend")
    daemon.shutdown()
    assert daemon.gone.acquire(blocking=False)
    assert not daemon.gone.acquire(blocking=False)


def test_annotations_of_the_daemon_are_in_every_answer(
    start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> None:
    client = raw(start(Guarded).register(Lamp(), "lamp"))
    client.send(client.connect_message(handshake="friend"))
    assert client.receive().annotations["TEST"] == b"from the daemon"
    for message in (
        client.call_message("shine"),
        client.call_message("unknown"),
        client.message(6, b"ping"),
    ):
        client.send(message)
        assert client.receive().annotations["TEST"] == b"from the daemon"


def test_the_house_is_kept_although_the_hook_fails(
    start: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_server.hosts.loop.LONGEST_WAIT", 0.01)
    daemon = start(Guarded)
    assert isinstance(daemon, Guarded)
    for _ in range(3):
        assert daemon.houses_kept.acquire(timeout=DEADLINE)


def test_the_handler_for_call_errors_is_told_about_them(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    class Broken(Lamp):
        @expose
        def shine(self, *_args: Any, **_kwargs: Any) -> str:
            raise ValueError("no bulb")

    told: list[tuple[Any, ...]] = []

    def handle(
        daemon: Daemon,
        client: Any,
        method: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        error: Exception,
    ) -> None:
        told.append((daemon, method, list(args), dict(kwargs), str(error)))
        raise RuntimeError("a handler may fail")

    daemon, broken = start(), Broken()
    daemon.methodcall_error_handler = handle
    channel = connect(daemon.register(broken, "lamp"))
    with pytest.raises(ValueError, match="no bulb"):
        channel.call("lamp", "shine", (1,), {"level": 2})
    assert told == [(daemon, broken.shine, [1], {"level": 2}, "no bulb")]


def test_an_exception_in_a_method_is_logged_with_its_traceback(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Lamp):
        @expose
        def shine(self) -> str:
            raise ValueError("no bulb")

    channel = connect(start().register(Broken(), "lamp"))
    with pytest.raises(ValueError, match="no bulb"):
        channel.call("lamp", "shine")
    record = caplog.records[-1]
    assert record.levelname == "ERROR"
    assert "lamp.shine" in record.getMessage()
    assert 'raise ValueError("no bulb")' in caplog.text


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_method_that_wants_to_exit_costs_nothing(
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
    settings: Configuration,
    error: type[BaseException],
) -> None:
    class Leaving(Lamp):
        @expose
        def leave(self) -> None:
            raise error("broken on purpose")

    settings.THREADPOOL_SIZE = settings.THREADPOOL_SIZE_MIN = 2
    uri = start().register(Leaving(), "lamp")
    channel = connect(uri)
    for _ in range(5):
        with pytest.raises(PyroError, match=error.__name__):
            channel.call("lamp", "leave")
    assert channel.call("lamp", "shine") == "white"
    assert connect(uri).call("lamp", "shine") == "white"


def test_a_method_knows_who_calls(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    @expose
    class Curious:
        def caller(self) -> Any:
            return current_context.client_sock_addr

    channel = connect(start().register(Curious(), "curious"))
    assert tuple(channel.call("curious", "caller")) == channel.sock.getsockname()


class Resource:
    def __init__(self) -> None:
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()
        raise OSError("closing may fail")


@expose
class Tracker:
    def __init__(self) -> None:
        self.resources: list[Resource] = []

    def track(self) -> None:
        self.resources.append(Resource())
        current_context.track_resource(self.resources[-1])

    def untrack(self) -> None:
        current_context.untrack_resource(self.resources[-1])


def test_tracked_resources_are_closed_when_the_client_goes(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    tracker = Tracker()
    uri = start().register(tracker, "tracker")
    channel, other = connect(uri), connect(uri)
    channel.call("tracker", "track")
    channel.call("tracker", "track")
    channel.call("tracker", "untrack")
    other.call("tracker", "track")
    first, untracked, others = tracker.resources
    channel.close()
    assert first.closed.wait(DEADLINE)
    assert not untracked.closed.is_set()
    assert not others.closed.is_set()


def test_tracked_resources_are_closed_when_the_daemon_closes(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    daemon, tracker = start(), Tracker()
    connect(daemon.register(tracker, "tracker")).call("tracker", "track")
    daemon.shutdown()
    assert tracker.resources[0].closed.is_set()


@expose
class Sleeper:
    async def double(self, value: int) -> int:
        return value * 2

    async def fail(self) -> None:
        raise LookupError("nothing found")

    async def leave(self) -> None:
        raise SystemExit("broken on purpose")

    async def caller(self) -> Any:
        return current_context.client_sock_addr


def test_async_methods_are_called_like_others(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    channel = connect(start().register(Sleeper(), "sleeper"))
    assert channel.call("sleeper", "double", (21,)) == 42
    with pytest.raises(LookupError, match="nothing found"):
        channel.call("sleeper", "fail")
    with pytest.raises(PyroError, match="SystemExit"):
        channel.call("sleeper", "leave")
    assert channel.call("sleeper", "double", (1,)) == 2
    assert tuple(channel.call("sleeper", "caller")) == channel.sock.getsockname()


def test_the_selector_is_for_the_multiplex_server_alone(
    start: Callable[..., Daemon], servertype: str
) -> None:
    daemon = start()
    assert daemon.transportServer is not None
    if servertype == "multiplex":
        assert daemon.selector.get_map()
    else:
        with pytest.raises(TypeError, match="multiplex"):
            assert daemon.selector


def test_daemons_of_their_own_type_can_serve_beside_each_other(
    start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
) -> None:
    with Daemon(config=Configuration(use_environment=False)) as idle, serving(idle):
        uri = start().register(Lamp("red"), "lamp")
        idle.register(Lamp("blue"), "lamp")
        assert connect(uri).call("lamp", "shine") == "red"
        assert connect(idle.uriFor("lamp")).call("lamp", "shine") == "blue"
