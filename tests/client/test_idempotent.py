"""Methods that the server has marked as harmless to run twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy, RetryPolicy
from pyro_client.facts import facts_about
from pyro_protocol import URI, expose, idempotent
from pyro_protocol.errors import ConnectionClosedError
from pyro_protocol.testing import FaultyLine
from support.hosting import HostThread

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = RetryPolicy(first_delay=0.0)


@expose
class Counter:
    """Counts how often each of its methods was run."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @idempotent
    def read(self) -> str:
        self.calls.append("read")
        return "read"

    def push(self) -> str:
        self.calls.append("push")
        return "push"

    @property
    def level(self) -> int:
        self.calls.append("level")
        return 7

    @level.setter
    def level(self, value: int) -> None:
        self.calls.append("set level")


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def relay(counter: Counter) -> Iterator[FaultyLine]:
    """What stands between the client and the counter, and cuts the line."""
    with HostThread() as host:
        host.register(counter, "counter")
        with FaultyLine(host.location) as relay:
            yield relay


@pytest.fixture
def proxy(relay: FaultyLine) -> Iterator[Proxy]:
    with Proxy(f"PYRO:counter@{relay.location}") as proxy:
        proxy._pyroRetryPolicy = AT_ONCE
        yield proxy


def test_an_idempotent_method_whose_answer_was_lost_is_run_again(
    proxy: Proxy, relay: FaultyLine, counter: Counter
) -> None:
    proxy._pyroBind()
    relay.lose_next_answer()
    assert proxy.read() == "read"
    assert counter.calls == ["read", "read"]


def test_any_other_method_whose_answer_was_lost_is_run_once(
    proxy: Proxy, relay: FaultyLine, counter: Counter
) -> None:
    proxy._pyroBind()
    relay.lose_next_answer()
    with pytest.raises(ConnectionClosedError) as caught:
        proxy.push()
    assert caught.value.outcome == "unknown"
    assert counter.calls == ["push"]


def test_the_documented_number_of_retries_keeps_to_idempotent_methods(
    proxy: Proxy, relay: FaultyLine, counter: Counter
) -> None:
    proxy._pyroRetryPolicy = None
    proxy._pyroMaxRetries = 3
    proxy._pyroBind()
    relay.lose_next_answer()
    assert proxy.read() == "read"
    relay.lose_next_answer()
    with pytest.raises(ConnectionClosedError):
        proxy.push()
    assert counter.calls == ["read", "read", "push"]


def test_reading_an_attribute_is_idempotent_and_writing_is_not(
    proxy: Proxy, relay: FaultyLine, counter: Counter
) -> None:
    proxy._pyroBind()
    relay.lose_next_answer()
    assert proxy.level == 7
    relay.lose_next_answer()
    with pytest.raises(ConnectionClosedError):
        proxy.level = 8
    assert counter.calls == ["level", "level", "set level"]


def test_the_server_is_asked_what_is_idempotent_once_and_only_after_a_failure(
    proxy: Proxy, relay: FaultyLine
) -> None:
    binding = proxy._pyro_binding
    assert proxy.read() == "read"
    assert binding.facts is None
    relay.lose_next_answer()
    assert proxy.read() == "read"
    facts = binding.facts
    assert facts is not None
    assert facts.idempotent == {"read"}
    relay.lose_next_answer()
    assert proxy.read() == "read"
    assert binding.facts is facts


@pytest.mark.parametrize(
    ("registration", "marked"),
    [
        ({"expose": ["append", "count"], "idempotent": ["count"]}, {"count"}),
        ({"expose": ["append", "count"]}, set()),
    ],
    ids=["marked", "not marked"],
)
def test_what_a_registration_says_is_known_to_clients(
    registration: dict[str, Any], marked: set[str]
) -> None:
    with HostThread() as host:
        host.call(lambda: host.host.register([1], "list", **registration))
        with Proxy(URI(f"PYRO:list@{host.location}")) as proxy:
            assert facts_about(proxy._pyro_binding).idempotent == marked
