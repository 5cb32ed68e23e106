"""Rooms in which people talk: python server.py."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pyro_server import Daemon, current_context, errors, expose

if TYPE_CHECKING:
    from collections.abc import Callable

    Hear = Callable[[str], None]


class Seat:
    """One who has joined a room; closed when the connection has ended."""

    def __init__(self, chat: Chat, room: str, name: str, hear: Hear) -> None:
        self._chat = chat
        self.room = room
        self.name = name
        self.hear = hear

    def close(self) -> None:
        """Leave the room."""
        self._chat.remove(self)


class Chat:
    """All rooms, and who is in them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seats: list[Seat] = []

    @expose
    def join(self, room: str, name: str, hear: Hear) -> list[str]:
        """Join a room, and return who is in it.

        Args:
            room: which one.
            name: whose words they are going to be.
            hear: called with each line that somebody else says.
        """
        seat = Seat(self, room, name, hear)
        with self._lock:
            if any(other.name == name for other in self._in(room)):
                raise ValueError(f"there is a {name} in the {room} already")
            self._seats.append(seat)
            names = [other.name for other in self._in(room)]
        current_context.track_resource(seat)
        self._tell(seat, f"{name} has joined")
        return names

    @expose
    def say(self, room: str, name: str, text: str) -> int:
        """Say something, and return how many hear it."""
        with self._lock:
            seat = next(seat for seat in self._in(room) if seat.name == name)
        return self._tell(seat, f"{name}: {text}")

    def remove(self, seat: Seat) -> None:
        """Forget one who has left, or whose connection is lost."""
        with self._lock:
            if seat not in self._seats:
                return
            self._seats.remove(seat)
        self._tell(seat, f"{seat.name} has left")

    def _in(self, room: str) -> list[Seat]:
        return [seat for seat in self._seats if seat.room == room]

    def _tell(self, speaker: Seat, line: str) -> int:
        """Have all others hear a line; without the lock, as it goes through the net."""
        with self._lock:
            listeners = [seat for seat in self._in(speaker.room) if seat is not speaker]
        heard = 0
        for listener in listeners:
            try:
                listener.hear(line)
                heard += 1
            except errors.CommunicationError:
                self.remove(listener)
        return heard


with Daemon() as daemon:
    print("chat:", daemon.register(Chat(), "chat"))
    daemon.requestLoop()
