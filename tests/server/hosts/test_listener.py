from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.config import Configuration
from pyro_server.hosts.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator


class World:
    """A listener with its selector, and what it has admitted."""

    def __init__(self) -> None:
        self.settings = Configuration(use_environment=False)
        self.selector = selectors.DefaultSelector()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)  # noqa: FBT003 - the name tells
        self.admitted: list[socket.socket] = []
        self.refuse: OSError | None = None
        self.clients: list[socket.socket] = []
        self.listener = Listener(
            self.sock, self.settings, None, lambda: len(self.admitted), self._admit
        )
        self.listener.watch(self.selector)

    def _admit(self, sock: socket.socket, _address: Any) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.admitted.append(sock)

    def connect(self) -> socket.socket:
        self.clients.append(socket.create_connection(self.sock.getsockname()))
        return self.clients[-1]

    def turn(self, listener: Any = None) -> None:
        """Handle what is ready, with another socket in the place of the real one."""
        for key, _mask in self.selector.select(0):
            key.data(listener or key.fileobj)

    def close(self) -> None:
        self.listener.close()
        self.selector.close()
        for one in (*self.clients, *self.admitted):
            one.close()


class Exhausted:
    """A socket that cannot accept, as the system has no descriptors left."""

    def __init__(self, world: World) -> None:
        self._sock = world.sock

    def accept(self) -> Any:
        raise OSError(errno.EMFILE, "too many open files")

    def fileno(self) -> int:
        return self._sock.fileno()


@pytest.fixture
def world() -> Iterator[World]:
    with contextlib.closing(World()) as world:
        yield world


def test_all_who_wait_are_admitted_at_once(world: World) -> None:
    for _ in range(5):
        world.connect()
    world.turn()
    assert len(world.admitted) == 5


def test_beyond_the_limit_they_are_sent_away(world: World) -> None:
    world.settings.MAX_CONNECTIONS = 2
    for _ in range(3):
        world.connect()
    world.turn()
    assert len(world.admitted) == 2
    assert world.clients[2].recv(1) == b""


def test_one_that_is_lost_at_once_is_closed(world: World) -> None:
    world.refuse = ConnectionResetError(errno.ECONNRESET, "gone")
    client = world.connect()
    world.turn()
    assert client.recv(1) == b""


def test_without_descriptors_it_pauses_also_in_another_selector(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.connect()
    world.turn(Exhausted(world))
    assert world.listener.paused
    assert not world.selector.get_map()
    with selectors.DefaultSelector() as other:
        world.listener.moved(other)
        world.listener.tick()
        assert not other.get_map()
        monkeypatch.setattr("time.monotonic", lambda: float("inf"))
        world.listener.tick()
        assert not world.listener.paused
        ((key, _mask),) = other.select(0)
        key.data(key.fileobj)
        assert len(world.admitted) == 1
        world.listener.close()


def test_closing_it_twice_or_while_it_pauses_is_harmless(world: World) -> None:
    world.connect()
    world.turn(Exhausted(world))
    world.listener.close()
    world.listener.close()
    world.listener.tick()
    assert not world.listener.paused
    assert world.sock.fileno() == -1
