"""What travels between the station and those who ask it; both sides import this."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pyro_protocol import (
    register_class,
    register_class_to_dict,
    register_dict_to_class,
)

if TYPE_CHECKING:
    from datetime import date


@register_class
class Sky(enum.Enum):
    """How the sky looks."""

    CLEAR = "clear"
    CLOUDS = "clouds"
    RAIN = "rain"


@register_class
class Place(NamedTuple):
    """A point on the earth, in degrees."""

    latitude: float
    longitude: float


@register_class
@dataclass(frozen=True)
class Reading:
    """What was measured at a place on a day."""

    place: Place
    day: date
    sky: Sky
    degrees: list[float]

    def highest(self) -> float:
        """Return the highest temperature of the day."""
        return max(self.degrees)


class Speed:
    """A speed that remembers metres per second only."""

    def __init__(self, metres_per_second: float) -> None:
        self._value = metres_per_second

    @classmethod
    def from_kilometres(cls, kilometres_per_hour: float) -> Speed:
        """Make one of the unit that cars use."""
        return cls(kilometres_per_hour / 3.6)

    @property
    def metres(self) -> float:
        """In metres per second."""
        return round(self._value, 1)


SPEED_NAME = "weather.Speed"


def _speed_to_dict(speed: Speed) -> dict[str, Any]:
    return {"__class__": SPEED_NAME, "m/s": speed.metres}


def _dict_to_speed(_name: str, fields: dict[str, Any]) -> Speed:
    return Speed(float(fields["m/s"]))


register_class_to_dict(Speed, _speed_to_dict)
register_dict_to_class(SPEED_NAME, _dict_to_speed)
