from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Self

import pytest

from pyro_protocol.dispatch import ClientConnection, StreamTable
from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Items:
    """A generator that tells whether it has been closed."""

    def __init__(self) -> None:
        self.closed = False

    def __iter__(self) -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            self.closed = True


class Closing:
    """An iterator that tells whether it has been closed, also before its first item."""

    def __init__(self) -> None:
        self.closed = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        return 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client() -> ClientConnection:
    return ClientConnection()


def new_table(
    clock: Clock, *, lifetime: float = 0.0, linger: float = 30.0, most: int = 1000
) -> StreamTable:
    numbers = count(1)
    return StreamTable(
        clock,
        lambda: f"stream-{next(numbers)}",
        lifetime=lifetime,
        linger=linger,
        most_per_client=most,
    )


@pytest.fixture
def table(clock: Clock) -> StreamTable:
    return new_table(clock)


def test_items_are_fetched_one_by_one_until_the_end(
    table: StreamTable, client: ClientConnection
) -> None:
    stream = table.open(client, iter(["one", "two"]))

    assert table.next_item(client, stream) == "one"
    assert table.next_item(client, stream) == "two"
    with pytest.raises(StopIteration):
        table.next_item(client, stream)

    assert stream not in table
    assert len(client.streams) == 0
    with pytest.raises(PyroError, match="item stream terminated"):
        table.next_item(client, stream)


def test_an_error_of_the_iterator_ends_its_stream(
    table: StreamTable, client: ClientConnection
) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    stream = table.open(client, broken())
    table.next_item(client, stream)

    with pytest.raises(ZeroDivisionError):
        table.next_item(client, stream)
    assert len(table) == 0


def test_closing_a_stream_runs_the_clean_up_of_its_generator_at_once(
    table: StreamTable, client: ClientConnection
) -> None:
    items = Items()
    stream = table.open(client, iter(items))
    table.next_item(client, stream)

    table.close(stream)

    assert items.closed
    assert len(client.streams) == 0


def test_a_stream_can_be_handed_over_to_one_who_sends_it_himself(
    table: StreamTable, client: ClientConnection
) -> None:
    items = iter(["one", "two"])
    stream = table.open(client, items, ("shop", "goods"))

    taken = table.take(stream)

    assert taken.iterator is items
    assert taken.origin == ("shop", "goods")
    with pytest.raises(PyroError, match="terminated"):
        table.take(stream)
    assert len(table) == 0
    assert len(client.streams) == 0


def test_a_stream_that_is_being_fetched_cannot_be_handed_over(
    table: StreamTable, client: ClientConnection
) -> None:
    stream = table.open(client, iter(["one", "two"]))
    table.next_item(client, stream)

    with pytest.raises(PyroError, match="one by one"):
        table.take(stream)
    assert table.next_item(client, stream) == "two"


def test_closing_an_unknown_stream_is_harmless(table: StreamTable) -> None:
    table.close("nothing")


def test_an_iterator_that_fails_to_close_does_not_disturb(
    table: StreamTable, client: ClientConnection
) -> None:
    def stubborn() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise ZeroDivisionError

    stream = table.open(client, stubborn())
    table.next_item(client, stream)

    table.close(stream)

    assert len(table) == 0


def test_the_number_of_streams_of_a_client_is_limited(
    clock: Clock, client: ClientConnection
) -> None:
    table = new_table(clock, most=2)
    first = table.open(client, iter([1]))
    table.open(client, iter([1]))
    items = Items()
    surplus = iter(items)
    next(surplus)

    with pytest.raises(PyroError, match=r"too many open streams.*max=2"):
        table.open(client, surplus)

    assert items.closed
    table.open(ClientConnection(), iter([1]))
    table.close(first)
    table.open(client, iter([1]))


def test_a_stream_outlives_its_connection_for_a_while(
    table: StreamTable, clock: Clock, client: ClientConnection
) -> None:
    stream = table.open(client, iter([1, 2]))
    table.next_item(client, stream)
    table.client_gone(client)
    clock.now += 30
    table.expire()

    other = ClientConnection()
    assert table.next_item(other, stream) == 2
    assert len(other.streams) == 1
    clock.now += 1000
    table.expire()
    assert stream in table


def test_a_lost_stream_ends_when_nobody_comes_back(
    table: StreamTable, clock: Clock, client: ClientConnection
) -> None:
    items = Items()
    stream = table.open(client, iter(items))
    table.next_item(client, stream)
    table.client_gone(client)
    assert len(client.streams) == 0

    clock.now += 30.1
    table.expire()

    assert stream not in table
    assert items.closed


def test_without_linger_streams_end_with_their_connection(
    clock: Clock, client: ClientConnection
) -> None:
    table = new_table(clock, linger=0)
    mine = table.open(client, iter([1]))
    others = table.open(ClientConnection(), iter([1]))

    table.client_gone(client)

    assert mine not in table
    assert others in table


@pytest.mark.parametrize("linger", [0, 30])
@pytest.mark.parametrize("opened", [0, 1])
def test_what_is_opened_for_a_client_that_has_gone_is_closed_at_once(
    clock: Clock, client: ClientConnection, linger: float, opened: int
) -> None:
    table = new_table(clock, linger=linger)
    for _ in range(opened):
        table.open(client, iter([1]))
    table.client_gone(client)
    before = len(table)
    items = Closing()

    stream = table.open(client, items)

    assert items.closed
    assert stream not in table
    assert len(table) == before
    assert len(client.streams) == 0


def test_a_stream_ends_when_its_life_is_over_even_while_in_use(
    clock: Clock, client: ClientConnection
) -> None:
    table = new_table(clock, lifetime=10)
    stream = table.open(client, iter(Items()))
    clock.now += 10
    table.expire()
    table.next_item(client, stream)

    clock.now += 0.1
    table.expire()

    with pytest.raises(PyroError, match="terminated"):
        table.next_item(client, stream)
    assert len(client.streams) == 0


def test_without_a_lifetime_a_stream_in_use_lives_on(
    table: StreamTable, clock: Clock, client: ClientConnection
) -> None:
    stream = table.open(client, iter(Items()))
    clock.now += 1e9
    table.expire()

    assert table.next_item(client, stream) == 0


def test_clearing_the_table_ends_every_stream(
    table: StreamTable, client: ClientConnection
) -> None:
    items = Items()
    stream = table.open(client, iter(items))
    table.next_item(client, stream)
    table.open(ClientConnection(), iter([1]))

    table.clear()

    assert len(table) == 0
    assert items.closed
    assert len(client.streams) == 0


def test_a_client_without_streams_leaves_without_a_trace(
    table: StreamTable, client: ClientConnection
) -> None:
    table.open(ClientConnection(), iter([1]))

    table.client_gone(client)

    assert len(table) == 1
