"""A weather station that replays a real recording, as an object to share.

Nothing in this file opens a socket: it is an ordinary class with an ``@expose`` on it.
Publish it with::

    pyro serve pyro_suite.demo.instrument:WeatherStation --name example.weatherstation

The recording and its licence are described in ``data/README.md``.
"""

from __future__ import annotations

import time
from datetime import date, timedelta
from threading import Condition
from typing import TYPE_CHECKING, TypedDict, cast

from pyro_server import behavior, expose, oneway

from .recording import RECORDING, Reading, parse_recording

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SELF_TEST_SECONDS", "Statistics", "WeatherStation"]

# Long enough that a caller who waited for it would notice.
SELF_TEST_SECONDS = 0.3

# No caller may park a worker thread of the server for longer than this.
LONGEST_WAIT_SECONDS = 30.0

_UNITS = {"precipitation": "mm", "temp_max": "C", "temp_min": "C", "wind": "m/s"}


class Statistics(TypedDict):
    """The range and mean of one column over a number of days."""

    column: str
    unit: str
    days: int
    minimum: float
    maximum: float
    mean: float


@expose
@behavior(instance_mode="single")
class WeatherStation:
    """Four years of Seattle weather behind the controls of an instrument.

    ``instance_mode="single"`` makes all callers share one station, so that a setting
    one of them changes is seen by the others.
    """

    def __init__(self) -> None:
        self._raw = RECORDING.read_bytes()
        self._readings = parse_recording(self._raw.decode("ascii"))
        self._temperature_unit = "C"
        self._self_tests = 0
        self._self_test_ended = Condition()

    @property
    def model(self) -> str:
        """The instrument's name."""
        return "Seattle daily recorder, 2012-2015"

    @property
    def first_day(self) -> date:
        """The day of the oldest reading."""
        return self._readings[0]["day"]

    @property
    def last_day(self) -> date:
        """The day of the newest reading."""
        return self._readings[-1]["day"]

    @property
    def self_test_seconds(self) -> float:
        """How long a self test takes."""
        return SELF_TEST_SECONDS

    @property
    def temperature_unit(self) -> str:
        """The unit of temperatures in readings and statistics: ``"C"`` or ``"F"``."""
        return self._temperature_unit

    @temperature_unit.setter
    def temperature_unit(self, unit: str) -> None:
        if unit not in ("C", "F"):
            raise ValueError(f'temperature unit {unit!r} is neither "C" nor "F"')
        self._temperature_unit = unit

    def reading(self, day: date | str) -> Reading:
        """Return what was measured on a day.

        Args:
            day: The day, or its ISO text such as ``"2014-08-11"``.

        Raises:
            LookupError: The day is outside the recording.
            ValueError: The text is not a date.
        """
        return self._converted(self._readings[self._position(day)])

    def recording(self) -> Iterator[Reading]:
        """Yield every reading from the oldest to the newest."""
        for reading in self._readings:
            yield self._converted(reading)

    def statistics(
        self,
        column: str,
        *,
        start: date | str | None = None,
        end: date | str | None = None,
    ) -> Statistics:
        """Return the range and mean of a column.

        Args:
            column: ``precipitation``, ``temp_max``, ``temp_min`` or ``wind``.
            start: The first day that counts, by default the oldest.
            end: The last day that counts, by default the newest.

        Raises:
            LookupError: A day is outside the recording.
            ValueError: There is no such column, or ``end`` is before ``start``.
        """
        if column not in _UNITS:
            known = ", ".join(_UNITS)
            raise ValueError(f"there is no column {column!r}; there are {known}")
        first = self._position(self.first_day if start is None else start)
        last = self._position(self.last_day if end is None else end)
        if last < first:
            raise ValueError(f"the end, {end}, is before the start, {start}")
        values = [
            _value(self._converted(reading), column)
            for reading in self._readings[first : last + 1]
        ]
        unit = _UNITS[column]
        return {
            "column": column,
            "unit": self._temperature_unit if unit == "C" else unit,
            "days": len(values),
            "minimum": min(values),
            "maximum": max(values),
            "mean": round(sum(values) / len(values), 3),
        }

    def raw_recording(self) -> bytes:
        """Return the recording as the bytes of its file."""
        return self._raw

    @oneway
    def self_test(self) -> None:
        """Examine the recording; callers do not wait for the end of it."""
        time.sleep(SELF_TEST_SECONDS)
        for earlier, later in zip(self._readings, self._readings[1:], strict=False):
            if later["day"] - earlier["day"] != timedelta(days=1):
                raise RuntimeError(f"no reading after {earlier['day']}")
        with self._self_test_ended:
            self._self_tests += 1
            self._self_test_ended.notify_all()

    def completed_self_tests(self, *, wait_for: int = 0, timeout: float = 5.0) -> int:
        """Return how many self tests have passed since the station was switched on.

        Args:
            wait_for: Wait until there are this many.
            timeout: Seconds to wait at most, 30 at the longest.
        """
        with self._self_test_ended:
            self._self_test_ended.wait_for(
                lambda: self._self_tests >= wait_for,
                min(timeout, LONGEST_WAIT_SECONDS),
            )
            return self._self_tests

    def _position(self, day: date | str) -> int:
        wanted = date.fromisoformat(day) if isinstance(day, str) else day
        position = (wanted - self.first_day).days
        if not 0 <= position < len(self._readings):
            raise LookupError(
                f"there is no reading for {wanted}: the recording runs "
                f"from {self.first_day} to {self.last_day}"
            )
        return position

    def _converted(self, reading: Reading) -> Reading:
        converted = reading.copy()
        if self._temperature_unit == "F":
            converted["temp_max"] = _fahrenheit(reading["temp_max"])
            converted["temp_min"] = _fahrenheit(reading["temp_min"])
        return converted


def _value(reading: Reading, column: str) -> float:
    # A TypedDict only takes literal keys; the caller has checked the column.
    return cast("float", dict(reading)[column])


def _fahrenheit(celsius: float) -> float:
    return round(celsius * 9 / 5 + 32, 1)
