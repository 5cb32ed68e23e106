"""When a connection was lost and made anew: what the program learns of it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy, RetryPolicy
from pyro_protocol import behavior, expose, idempotent
from pyro_protocol.errors import CommunicationError, ConnectionClosedError
from pyro_protocol.testing import FaultyLine
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator


class Basket:
    """Remembers what was put into it."""

    def __init__(self) -> None:
        self.items: list[str] = []

    @expose
    @idempotent
    def put(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)


@expose
@behavior(instance_mode="session")
class OwnBasket(Basket):
    """One for each connection."""


class Watching(Proxy):
    """Notes what it is told of lost connections."""

    _pyroTold: Any = None

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self._pyroTold = []

    def _pyroReconnected(self, lost_session: bool) -> None:
        self._pyroTold.append(lost_session)


@pytest.fixture
def relay() -> Iterator[FaultyLine]:
    """The way to a basket for all and to baskets for each connection."""
    with HostThread() as host:
        host.register(Basket(), "shared")
        host.register(OwnBasket, "own")
        with FaultyLine(host.location) as relay:
            yield relay


def lose_connection(proxy: Proxy, relay: FaultyLine) -> None:
    relay.lose_next_answer()
    with pytest.raises(ConnectionClosedError):
        proxy.put("lost")


@pytest.mark.parametrize(("name", "lost"), [("shared", False), ("own", True)])
def test_the_program_learns_whether_the_object_of_its_session_was_lost(
    relay: FaultyLine, name: str, lost: bool
) -> None:
    with Watching(f"PYRO:{name}@{relay.location}") as proxy:
        proxy.put("pear")
        assert proxy._pyroTold == []
        lose_connection(proxy, relay)
        assert proxy._pyroTold == []
        proxy.put("plum")
        assert proxy._pyroTold == [lost]
        proxy.put("plum")
        assert proxy._pyroTold == [lost]


def test_the_program_learns_of_it_before_a_call_is_tried_again(
    relay: FaultyLine,
) -> None:
    with Watching(f"PYRO:own@{relay.location}") as proxy:
        proxy._pyroRetryPolicy = RetryPolicy(first_delay=0.0)
        assert [proxy.put("pear"), proxy.put("plum")] == [1, 2]
        relay.lose_next_answer()
        assert proxy.put("fig") == 1
        assert proxy._pyroTold == [True]


def test_who_releases_a_proxy_knows_what_that_means(relay: FaultyLine) -> None:
    with Watching(f"PYRO:own@{relay.location}") as proxy:
        proxy.put("pear")
        proxy._pyroRelease()
        proxy.put("pear")
        lose_connection(proxy, relay)
        proxy._pyroRelease()
        proxy.put("pear")
        proxy._pyroReconnect(1)
        assert proxy._pyroTold == []


def test_reconnecting_tells_of_it_too(relay: FaultyLine) -> None:
    with Watching(f"PYRO:own@{relay.location}") as proxy:
        proxy.put("pear")
        lose_connection(proxy, relay)
        proxy._pyroReconnect(1)
        assert proxy._pyroTold == [True]
        proxy.put("pear")
        assert proxy._pyroTold == [True]


def test_the_hook_can_restore_the_session_before_others_use_it(
    relay: FaultyLine,
) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Restoring(Proxy):
        def _pyroReconnected(self, lost_session: bool) -> None:
            assert lost_session
            entered.set()
            assert go_on.wait(DEADLINE)
            self.put("from before")

    with Restoring(f"PYRO:own@{relay.location}") as proxy:
        proxy.put("from before")
        lose_connection(proxy, relay)
        counts: list[int] = []
        threads = [
            threading.Thread(target=lambda: counts.append(proxy.put("new")))
            for _ in range(3)
        ]
        threads[0].start()
        assert entered.wait(DEADLINE)
        for thread in threads[1:]:
            thread.start()
        go_on.set()
        for thread in threads:
            thread.join(DEADLINE)
        assert sorted(counts) == [2, 3, 4]


def test_what_the_hook_raises_ends_the_new_connection(relay: FaultyLine) -> None:
    errors: list[Exception] = [LookupError("the basket is gone")]

    class Refusing(Proxy):
        def _pyroReconnected(self, lost_session: bool) -> None:
            if errors:
                raise errors.pop()

    with Refusing(f"PYRO:own@{relay.location}") as proxy:
        proxy.put("pear")
        lose_connection(proxy, relay)
        with pytest.raises(LookupError, match="basket is gone"):
            proxy.put("plum")
        assert proxy._pyroConnection is None
        assert proxy.put("plum") == 1


@pytest.mark.parametrize(("name", "count"), [("shared", 0), ("own", 1)])
def test_without_a_hook_a_lost_session_is_logged(
    relay: FaultyLine, caplog: pytest.LogCaptureFixture, name: str, count: int
) -> None:
    with Proxy(f"PYRO:{name}@{relay.location}") as proxy:
        proxy.put("pear")
        lose_connection(proxy, relay)
        proxy.put("plum")
    assert len(_warnings(caplog)) == count


def test_a_hook_can_leave_it_to_the_log(
    relay: FaultyLine, caplog: pytest.LogCaptureFixture
) -> None:
    class Passing(Proxy):
        def _pyroReconnected(self, lost_session: bool) -> None:
            super()._pyroReconnected(lost_session)

    with Passing(f"PYRO:own@{relay.location}") as proxy:
        proxy.put("pear")
        lose_connection(proxy, relay)
        proxy.put("plum")
    assert len(_warnings(caplog)) == 1


def _warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if "_pyroReconnected" in one.getMessage()]


def test_a_server_that_does_not_tell_is_not_asked() -> None:
    requests: list[Any] = []

    def die(peer: Peer) -> None:
        peer.admit()
        peer.receive()

    def serve(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        requests.append(peer.call_of(request)[1])
        peer.answer(request, 3)
        peer.wait_for_end()

    with ScriptedServer(die, serve) as server, Watching(server.uri) as proxy:
        with pytest.raises(ConnectionClosedError):
            proxy.add(1, 2)
        assert proxy.add(1, 2) == 3
        assert proxy._pyroTold == [False]
    assert requests == ["add"]


def test_a_connection_that_could_not_be_made_was_not_lost(
    closed_location: str, relay: FaultyLine
) -> None:
    proxy = Watching(f"PYRO:own@{closed_location}")
    with pytest.raises(CommunicationError, match="cannot connect"):
        proxy.put("pear")
    with Watching(f"PYRO:own@{relay.location}") as other:
        other.put("pear")
        assert other._pyroTold == proxy._pyroTold == []
