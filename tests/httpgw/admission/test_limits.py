"""How often each client may do something."""

from __future__ import annotations

import pytest

from pyro_httpgw.admission.limits import ClientRates, limited_as
from support.clock import Clock


def use(rates: ClientRates, client: str) -> bool:
    if rates.wait(client):
        return False
    rates.count(client)
    return True


def test_a_burst_passes_and_then_so_many_a_second() -> None:
    clock = Clock()
    rates = ClientRates(0.5, 3, clock)
    assert [use(rates, "a") for _ in range(4)] == [True, True, True, False]
    assert rates.wait("a") == 2.0
    clock.now += 2.0
    assert [use(rates, "a") for _ in range(2)] == [True, False]
    clock.now += 4.0
    assert [use(rates, "a") for _ in range(3)] == [True, True, False]


def test_a_client_that_was_quiet_has_no_more_than_a_burst() -> None:
    clock = Clock()
    rates = ClientRates(10, 3, clock)
    use(rates, "a")
    clock.now += 1000.0
    assert [use(rates, "a") for _ in range(4)] == [True, True, True, False]


def test_what_is_refused_does_not_count() -> None:
    clock = Clock()
    rates = ClientRates(1, 1, clock)
    assert use(rates, "a")
    assert not any(use(rates, "a") for _ in range(100))
    clock.now += 1.0
    assert use(rates, "a")


def test_each_client_has_its_own() -> None:
    rates = ClientRates(1, 1, Clock())
    assert use(rates, "a")
    assert use(rates, "b")
    assert not use(rates, "a")


def test_the_one_that_was_quiet_for_longest_is_forgotten_first() -> None:
    rates = ClientRates(1, 2, Clock(), most=2)
    for client in ("a", "b", "a", "c"):
        assert use(rates, client)
    assert len(rates) == 2
    assert not use(rates, "a")
    assert use(rates, "b")


def test_a_million_addresses_take_bounded_memory() -> None:
    rates = ClientRates(1, 1, Clock(), most=100)
    for number in range(1000):
        rates.count(str(number))
    assert len(rates) == 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff"),
        ("fe80::1%eth0", "fe80::2%eth0"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_addresses_of_one_owner_are_limited_together(one: str, other: str) -> None:
    assert limited_as(one) == limited_as(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("192.0.2.1", "192.0.2.2"),
        ("", "192.0.2.1"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("odd:one", "odd:other"),
    ],
)
def test_addresses_of_different_owners_are_limited_apart(one: str, other: str) -> None:
    assert limited_as(one) != limited_as(other)
