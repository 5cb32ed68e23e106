from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import (
    DAEMON_NAME,
    ClientConnection,
    DaemonObject,
    LeaseTable,
    ObjectRegistry,
    Registration,
    StreamTable,
)
from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@expose
class Cursor:
    closed = 0

    def close(self) -> None:
        self.closed += 1


class Server:
    """A registry with leases, and all that the daemon object needs."""

    def __init__(self, *, linger: float = 10.0, most: int = 1000) -> None:
        self.clock = Clock()
        self.registry = ObjectRegistry(nullcontext)
        self.streams = StreamTable(self.clock, lambda: "stream")
        self.ended: list[Registration] = []
        self.leases = LeaseTable(
            self.registry,
            self.clock,
            nullcontext,
            linger=linger,
            most_per_client=most,
            ended=self.ended.append,
        )

    def describe(self) -> str:
        return "a server for tests"

    def lease(self, target: Any, seconds: float = 60.0) -> Registration:
        entry = self.leases.lease(target, seconds)
        assert entry is not None
        return entry

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.leases.expire()


def new_client(name: str = "abc") -> ClientConnection:
    client = ClientConnection()
    client.established = True
    client.lease_key = name
    return client


@contextmanager
def serving(client: ClientConnection) -> Iterator[None]:
    token = call_state.set(CallState(client))
    try:
        yield
    finally:
        call_state.reset(token)


def sent_to(client: ClientConnection, entry: Registration) -> str | None:
    """What a reference says that is sent to a client."""
    assert entry.lease is not None
    with serving(client):
        return entry.lease.refer()


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client() -> ClientConnection:
    return new_client()


def test_an_object_that_nobody_uses_is_released_after_its_time(server: Server) -> None:
    cursor = Cursor()
    entry = server.lease(cursor, 60.0)

    server.pass_time(59.0)
    assert entry.object_id in server.registry
    server.pass_time(2.0)

    assert len(server.registry) == len(server.leases) == 0
    assert cursor.closed == 1
    assert server.ended == [entry]


def test_each_use_renews_the_lease(server: Server, client: ClientConnection) -> None:
    entry = server.lease(Cursor(), 60.0)

    for _ in range(3):
        server.pass_time(59.0)
        entry.instance(client)

    assert entry.object_id in server.registry
    (leased,) = server.leases.objects()
    assert (leased.object_id, leased.target) == (entry.object_id, entry.target)
    assert (leased.connections, leased.remaining) == (1, 60.0)


def test_leasing_an_object_again_renews_its_lease(server: Server) -> None:
    cursor = Cursor()
    server.lease(cursor, 60.0)
    server.pass_time(59.0)

    assert server.leases.lease(cursor, 100.0) is None
    server.pass_time(99.0)

    assert len(server.leases) == 1


def test_a_pinned_object_gets_no_lease_and_never_ends(
    server: Server, client: ClientConnection
) -> None:
    cursor = Cursor()
    pinned = server.registry.register(cursor)

    assert server.leases.lease(cursor, 1.0) is None
    server.leases.release(client, [(pinned.object_id, None)])
    server.pass_time(1e9)

    assert pinned.object_id in server.registry
    assert cursor.closed == 0


def test_it_is_released_at_once_when_the_reference_is_given_back(
    server: Server, client: ClientConnection
) -> None:
    cursor = Cursor()
    with serving(client):
        entry = server.lease(cursor)

    assert sent_to(client, entry) == "abc:1"
    server.leases.release(client, [(entry.object_id, 1)])

    assert len(server.registry) == len(server.leases) == 0
    assert cursor.closed == 1


def test_a_reference_on_its_way_to_the_client_keeps_the_object(
    server: Server, client: ClientConnection
) -> None:
    entry = server.lease(Cursor())
    sent_to(client, entry)
    assert sent_to(client, entry) == "abc:2"

    server.leases.release(client, [(entry.object_id, 1)])
    assert entry.object_id in server.registry
    server.leases.release(client, [(entry.object_id, 2)])

    assert entry.object_id not in server.registry


def test_an_object_of_several_clients_stays_until_the_last_gives_it_back(
    server: Server, client: ClientConnection
) -> None:
    other = new_client("def")
    entry = server.lease(Cursor())
    sent_to(client, entry)
    sent_to(other, entry)

    server.leases.release(client, [(entry.object_id, None)])
    assert entry.object_id in server.registry
    server.leases.release(other, [(entry.object_id, None)])

    assert entry.object_id not in server.registry


def test_a_client_cannot_give_back_what_it_does_not_hold(
    server: Server, client: ClientConnection
) -> None:
    entry = server.lease(Cursor())
    sent_to(client, entry)

    server.leases.release(new_client(), [(entry.object_id, None), ("unknown", 1)])

    assert entry.object_id in server.registry


def test_after_the_loss_of_the_connection_it_stays_for_a_while(
    server: Server, client: ClientConnection
) -> None:
    entry = server.lease(Cursor())
    sent_to(client, entry)

    client.release()
    server.pass_time(9.0)
    assert entry.object_id in server.registry
    server.pass_time(2.0)

    assert entry.object_id not in server.registry


def test_a_client_that_comes_back_by_another_connection_keeps_it(
    server: Server, client: ClientConnection
) -> None:
    entry = server.lease(Cursor())
    sent_to(client, entry)

    client.release()
    entry.instance(new_client())
    server.pass_time(20.0)

    assert entry.object_id in server.registry


def test_an_object_in_use_outlives_the_reference_until_the_user_has_gone(
    server: Server, client: ClientConnection
) -> None:
    user = new_client()
    entry = server.lease(Cursor())
    sent_to(client, entry)
    entry.instance(user)

    server.leases.release(client, [(entry.object_id, None)])
    assert entry.object_id in server.registry
    user.release()

    assert entry.object_id not in server.registry


def test_without_linger_it_ends_with_the_connection(client: ClientConnection) -> None:
    server = Server(linger=0.0)
    cursor = Cursor()
    with serving(client):
        server.lease(cursor)

    client.release()

    assert cursor.closed == 1
    assert len(server.registry) == 0


def test_what_a_failed_call_has_leased_ends_with_its_client(
    server: Server, client: ClientConnection
) -> None:
    with serving(client):
        entry = server.lease(Cursor())

    client.release()
    server.pass_time(11.0)

    assert entry.object_id not in server.registry


def test_a_call_that_ends_after_its_connection_leaves_nothing_behind(
    server: Server, client: ClientConnection
) -> None:
    client.established = False
    client.release()

    with serving(client):
        entry = server.lease(Cursor())
    sent_to(client, entry)
    server.pass_time(61.0)

    assert len(server.registry) == 0
    assert not server.leases._held


def test_a_connection_may_hold_only_so_many(client: ClientConnection) -> None:
    server = Server(most=2)
    pinned_by_time = server.lease(Cursor())
    with serving(client):
        first, _ = server.lease(Cursor()), server.lease(Cursor())
        with pytest.raises(PyroError, match=r"MAX_LEASES=2.*drop the proxies"):
            server.lease(Cursor())
    with pytest.raises(PyroError, match="MAX_LEASES=2"):
        sent_to(client, pinned_by_time)

    server.leases.release(client, [(first.object_id, None)])

    assert sent_to(client, pinned_by_time) == "abc:1"
    with serving(new_client()):
        server.lease(Cursor())


def test_an_object_that_the_program_unregisters_is_not_closed(
    server: Server, client: ClientConnection
) -> None:
    cursor = Cursor()
    entry = server.lease(cursor)
    sent_to(client, entry)

    server.registry.unregister(cursor)
    server.leases.forget(entry)
    client.release()
    server.pass_time(1e6)

    assert (cursor.closed, len(server.leases), server.ended) == (0, 0, [])


def test_closing_can_be_left_to_the_program(server: Server) -> None:
    cursor = Cursor()
    server.leases.lease(cursor, 1.0, closes=False)

    server.pass_time(2.0)

    assert (cursor.closed, len(server.leases)) == (0, 0)


@pytest.mark.parametrize("close", [None, "not callable", 1 / 3])
def test_objects_without_close_are_released_just_so(
    server: Server, close: object
) -> None:
    cursor = Cursor()
    cursor.close = close  # type: ignore[assignment, method-assign]
    server.lease(cursor, 1.0)

    server.pass_time(2.0)

    assert len(server.registry) == 0


def test_one_that_fails_to_close_does_not_keep_the_others(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Cursor):
        def close(self) -> None:
            raise OSError("the disk is gone")

    cursor = Cursor()
    server.lease(Broken(), 1.0)
    server.lease(cursor, 1.0)

    server.pass_time(2.0)

    assert cursor.closed == 1
    assert "closing leased object" in caplog.text


def test_clearing_the_table_ends_all_leases(
    server: Server, client: ClientConnection
) -> None:
    cursors = [Cursor() for _ in range(3)]
    for cursor in cursors:
        sent_to(client, server.lease(cursor))

    server.leases.clear()

    assert [cursor.closed for cursor in cursors] == [1, 1, 1]
    assert len(server.registry) == len(server.leases) == 0


def test_an_object_is_leased_with_a_view_on_it(
    server: Server, client: ClientConnection
) -> None:
    entry = server.leases.lease([3, 4], 60.0, expose=["count"])

    assert entry is not None
    assert set(entry.members.methods) == {"count"}
    assert entry.instance(client) == [3, 4]


def test_a_class_cannot_be_leased(server: Server) -> None:
    with pytest.raises(TypeError, match="not a class"):
        server.leases.lease(Cursor, 60.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan")])
def test_a_lease_has_to_last(server: Server, seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        server.leases.lease(Cursor(), seconds)


def test_a_reference_for_nobody_in_particular_cannot_be_given_back(
    server: Server,
) -> None:
    entry = server.lease(Cursor())
    assert entry.lease is not None

    assert entry.lease.refer() is None
    client = new_client()
    client.lease_key = None
    assert sent_to(client, entry) is None


class TestDaemonObject:
    @pytest.fixture
    def daemon_object(self, server: Server) -> DaemonObject:
        daemon_object = DaemonObject(server)
        server.registry.register(daemon_object, DAEMON_NAME)
        return daemon_object

    @pytest.mark.parametrize("number", [None, 1])
    def test_a_client_can_give_back_its_references(
        self,
        server: Server,
        daemon_object: DaemonObject,
        client: ClientConnection,
        number: int | None,
    ) -> None:
        entry = server.lease(Cursor())
        sent_to(client, entry)
        reference = entry.object_id if number is None else (entry.object_id, number)

        with serving(client):
            daemon_object.release([reference])

        assert len(server.leases) == 0

    @pytest.mark.parametrize(
        "references", ["id", None, {"id": 1}, [1], [("id",)], [("id", True)], [[1, 1]]]
    )
    def test_what_is_no_list_of_references_is_refused(
        self, daemon_object: DaemonObject, client: ClientConnection, references: Any
    ) -> None:
        with serving(client), pytest.raises(TypeError, match="object ids"):
            daemon_object.release(references)

    def test_the_ids_of_leased_objects_are_not_told(
        self, server: Server, daemon_object: DaemonObject
    ) -> None:
        server.lease(Cursor())

        assert daemon_object.registered() == [DAEMON_NAME]
