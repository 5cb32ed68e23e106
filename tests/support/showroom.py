"""Objects to look at and to call from a web page, and where they are registered."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import struct
import threading
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pyro_naming import start_ns
from pyro_protocol import Configuration, expose, oneway
from pyro_server import Daemon

from .daemons import serving
from .hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MARKUP", "Camera", "Showroom", "Thermostat", "Trap", "png"]

MARKUP: Final = '<img src=x onerror="document.title=1"><script>alert(1)</script>'
"""What must never become part of a page."""


class Mode(Enum):
    """How rooms are heated."""

    ECO = "eco"
    COMFORT = "comfort"
    BOOST = "boost"


@dataclass
class Point:
    """A place in the house.

    Attributes:
        x: metres from the door.
        y: metres from the wall.
    """

    x: float
    y: float = 0.0


@expose
class Thermostat:
    """Keeps rooms warm.

    Each room has a target of its own. The heating follows it within a few minutes, or
    at once in the mode `BOOST`.

    Attributes:
        released: lets `hold` return.
        ended: released whenever a stream has ended.
        next_item: lets `follow` give an item.
        unbounded: whether it gives as many as it can from then on.
    """

    def __init__(self) -> None:
        self._target = 20.5
        self.released = threading.Event()
        self.ended = threading.Semaphore(0)
        self.next_item = threading.Semaphore(0)
        self.unbounded = threading.Event()

    @property
    def target(self) -> float:
        """The temperature that is aimed at, in degrees Celsius."""
        return self._target

    @target.setter
    def target(self, value: float) -> None:
        self._target = value

    @property
    def rooms(self) -> list[str]:
        """The rooms it knows."""
        return ["hall", "kitchen", "study"]

    def heat(
        self,
        room: Literal["hall", "kitchen", "study"],
        degrees: float = 20.5,
        hours: int = 1,
        mode: Mode = Mode.ECO,
        *,
        quietly: bool = False,
        until: dt.datetime | None = None,
    ) -> dict[str, Any]:
        """Heat a room for some time.

        The room is left alone if it is warmer already.

        Args:
            room: which one.
            degrees: what to heat it to, in degrees Celsius.
            hours: for how long.
            mode: how; ``BOOST`` is loud.
            quietly: whether the fan stays off.
            until: when to stop at the latest.

        Raises:
            ValueError: it would be hotter than 30 degrees.
        """
        if degrees > 30:
            raise ValueError(f"{degrees} degrees are too hot for the {room}")
        return {
            "room": room,
            "degrees": degrees,
            "hours": hours,
            "mode": mode.name,
            "quietly": quietly,
            "until": until.isoformat() if until else None,
        }

    def history(self, days: int = 7) -> list[dict[str, Any]]:
        """Tell how warm it was in the last days."""
        first = dt.date(2026, 1, 1)
        return [
            {
                "day": first + dt.timedelta(days=number),
                "lowest": round(17 + math.sin(number), 2),
                "highest": round(22 + math.cos(number), 2),
                "windy": number % 3 == 0,
                "note": "the window was open" if number == 2 else None,
            }
            for number in range(days)
        ]

    def readings(self, count: int = 60) -> Iterator[float]:
        """Measure the temperature, as long as somebody listens."""
        try:
            for number in range(count):
                yield 20 + 2 * math.sin(number / 6) + math.sin(number)
        finally:
            self.ended.release()

    def follow(self) -> Iterator[dict[str, float]]:
        """Measure two rooms whenever the test says so."""
        number = 0
        try:
            while self.next_item.acquire(timeout=DEADLINE):
                if self.released.is_set():
                    return
                if self.unbounded.is_set():
                    self.next_item.release()
                number += 1
                yield {"hall": 20 + math.sin(number), "study": 18 + math.cos(number)}
        finally:
            self.ended.release()

    def break_off(self) -> Iterator[int]:
        """Measure twice, and fail."""
        yield 1
        yield 2
        raise OSError("the sensor is gone")

    def _go_on(self) -> None:
        self.unbounded.set()
        self.next_item.release()

    def average(self, temperatures: list[float]) -> float:
        """Return the mean of temperatures."""
        return sum(temperatures) / len(temperatures)

    def place(self, sensor: Point, name: str = "sensor") -> Point:
        """Put a sensor somewhere."""
        del name
        return Point(sensor.x + 1, sensor.y)

    def fail(self, text: str = "the valve is stuck") -> None:
        """Raise an exception with a note."""
        error = RuntimeError(text, 99)
        error.add_note("ask the plumber")
        raise error

    def huge(self, number: int) -> int:
        """Return the number after a number, however large."""
        return number + 1

    @oneway
    def knock(self) -> None:
        """Do something that nobody waits for."""

    def hold(self) -> str:
        """Wait until the test lets it go."""
        self.released.wait(DEADLINE)
        return "released"

    def anything(self, *values: Any, **options: Any) -> list[Any]:
        """Give back what it gets."""
        return [list(values), options]


@expose
class Camera:
    """Takes pictures of what is not there."""

    def picture(self, width: int = 240, height: int = 120) -> bytes:
        """Take a picture, as PNG."""
        return png(width, height)

    def size_of(self, data: bytes) -> int:
        """Return how many bytes there are."""
        return len(data)

    def raw(self) -> bytes:
        """Return bytes that are no picture."""
        return b"\x00\x01\x02\xff" * 100


class Trap:
    """Everything it has to say is markup."""

    __doc__ = MARKUP

    @expose
    def markup(self, text: str = MARKUP) -> Any:
        return {"text": text, MARKUP: [MARKUP], "rows": [{MARKUP: MARKUP}]}

    @expose
    def fail(self) -> None:
        error = ValueError(MARKUP)
        error.add_note(MARKUP)
        raise error

    markup.__doc__ = MARKUP


def png(width: int, height: int) -> bytes:
    """Return a picture of a sunset."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            glow = max(0.0, 1 - math.hypot(x / width - 0.5, y / height - 0.7) * 1.6)
            rows += bytes((int(60 + 195 * glow), int(30 + 120 * glow**2), 70))

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"IDAT", zlib.compress(bytes(rows))),
            chunk(b"IEND", b""),
        )
    )


class Showroom:
    """A name server and a daemon with such objects, in threads of their own.

    Attributes:
        thermostat: one of the objects.
        environment: what tells other programs where the name server is.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        names = self._stack.enter_context(start_ns("127.0.0.1", 0).daemon)
        host, _, port = names.locationStr.rpartition(":")
        self.environment = {"PYRO_NS_HOST": host, "PYRO_NS_PORT": port}
        self._config = Configuration(use_environment=False)
        self._names = names.nameserver
        self.daemon = self._stack.enter_context(serving(Daemon(host="127.0.0.1")))
        self.thermostat = Thermostat()
        self._stack.callback(self.thermostat.released.set)
        self.register("http.house.thermostat", self.thermostat, "class:heating", "v2")
        self.register("http.house.camera", Camera(), "class:camera")
        self.register("http.lab.trap", Trap(), MARKUP)
        self.register("hidden.object", Camera())

    def register(self, name: str, target: object, *metadata: str) -> None:
        """Make an object reachable under a name."""
        uri = self.daemon.register(target)
        self._names.register(name, str(uri), metadata=set(metadata))

    def remove(self, name: str) -> None:
        """Take a name away."""
        self._names.remove(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._stack.close()
