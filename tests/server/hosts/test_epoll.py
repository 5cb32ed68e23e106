from __future__ import annotations

import selectors
import socket
from typing import TYPE_CHECKING

import pytest

from pyro_server.hosts.epoll import new_selector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


@pytest.fixture(params=[selectors.DefaultSelector, new_selector])
def selector(request: pytest.FixtureRequest) -> Iterator[selectors.BaseSelector]:
    """Ours, and the one that it stands for."""
    make: Callable[[], selectors.BaseSelector] = request.param
    with make() as selector:
        yield selector


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_who_can_be_read_or_written_is_told(
    selector: selectors.BaseSelector, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    key = selector.register(one, READ, "data")
    assert key == (one, one.fileno(), READ, "data")
    assert selector.select(0) == []
    assert selector.select(-1) == []
    other.send(b"x")
    assert selector.select() == [(key, READ)]
    both = selector.modify(one, READ | WRITE, "other data")
    assert selector.select(5) == [(both, READ | WRITE)]
    writes = selector.modify(one, WRITE, None)
    assert selector.select(5) == [(writes, WRITE)]
    assert selector.unregister(one) == writes
    assert selector.select(0) == []


def test_an_end_is_told_to_whoever_reads_or_writes(
    selector: selectors.BaseSelector, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    for events in (READ, WRITE):
        selector.register(one, events)
        other.close()
        assert [told for _key, told in selector.select(5)] == [events]
        selector.unregister(one)


def test_what_is_registered_can_be_looked_up(
    selector: selectors.BaseSelector, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    assert not selector.get_map()
    key = selector.register(one, READ)
    selector.register(other.fileno(), WRITE, 7)
    assert selector.get_map()[one] == selector.get_key(one) == key
    assert [one.data for one in selector.get_map().values()] == [None, 7]
    with pytest.raises(KeyError):
        selector.register(one, READ)
    with pytest.raises(ValueError, match="0"):
        selector.register(other, 0)
    selector.unregister(one)
    for call in (selector.unregister, selector.get_key):
        with pytest.raises(KeyError):
            call(one)
    with pytest.raises(KeyError):
        selector.modify(one, READ)


def test_one_that_was_closed_can_still_be_taken_out(
    selector: selectors.BaseSelector, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, _other = pair
    key = selector.register(one, READ)
    one.close()
    assert selector.unregister(one) == key
    assert not selector.get_map()
    with pytest.raises((KeyError, ValueError)):
        selector.unregister(one)
    with pytest.raises(ValueError, match="descriptor"):
        selector.register(one, READ)


def test_it_can_be_waited_for_itself(
    selector: selectors.BaseSelector, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    selector.register(one, READ)
    with selectors.DefaultSelector() as outer:
        outer.register(selector, READ)  # type: ignore[arg-type] # it has a descriptor
        assert outer.select(0) == []
        other.send(b"x")
        assert len(outer.select(5)) == 1
