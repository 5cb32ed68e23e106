"""The weather station, called directly."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

import pytest

from pyro_suite.demo.instrument import WeatherStation

# Of the file in the package it was taken from; the data's README.md names it.
SHA_256 = "62f0609f787158128aa2bd102967173a4953122dd4f872bf1d502cae1037df0b"


@pytest.fixture
def station() -> WeatherStation:
    return WeatherStation()


def test_the_recording_is_the_file_its_description_names(
    station: WeatherStation,
) -> None:
    assert hashlib.sha256(station.raw_recording()).hexdigest() == SHA_256


def test_the_recording_has_a_reading_for_each_day(station: WeatherStation) -> None:
    days = [reading["day"] for reading in station.recording()]
    assert days[0] == station.first_day == date(2012, 1, 1)
    assert days[-1] == station.last_day == date(2015, 12, 31)
    assert days == [station.first_day + timedelta(n) for n in range(len(days))]


def test_a_day_is_a_date_or_its_text(station: WeatherStation) -> None:
    assert station.reading("2014-08-11") == station.reading(date(2014, 8, 11))


@pytest.mark.parametrize("day", ["2011-12-31", "2016-01-01"])
def test_a_day_outside_the_recording_is_refused_with_its_bounds(
    station: WeatherStation, day: str
) -> None:
    with pytest.raises(LookupError, match=f"{day}.*2012-01-01 to 2015-12-31"):
        station.reading(day)


def test_the_temperature_unit_governs_temperatures_only(
    station: WeatherStation,
) -> None:
    station.temperature_unit = "F"
    reading = station.reading("2014-08-11")
    assert (reading["temp_max"], reading["wind"]) == (96.1, 2.6)
    assert station.statistics("temp_max")["unit"] == "F"
    assert station.statistics("wind")["unit"] == "m/s"


def test_a_reading_taken_before_a_change_of_unit_stays_as_it_was(
    station: WeatherStation,
) -> None:
    reading = station.reading("2014-08-11")
    station.temperature_unit = "F"
    assert reading["temp_max"] == 35.6


def test_an_unknown_temperature_unit_is_refused(station: WeatherStation) -> None:
    with pytest.raises(ValueError, match="'K'"):
        station.temperature_unit = "K"
    assert station.temperature_unit == "C"


def test_statistics_count_both_ends(station: WeatherStation) -> None:
    rain = station.statistics("precipitation", start="2012-01-01", end="2012-01-03")
    assert rain == {
        "column": "precipitation",
        "unit": "mm",
        "days": 3,
        "minimum": 0.0,
        "maximum": 10.9,
        "mean": 3.9,
    }


def test_statistics_of_an_unknown_column_name_the_known_ones(
    station: WeatherStation,
) -> None:
    with pytest.raises(ValueError, match="'weather'; there are precipitation"):
        station.statistics("weather")


def test_statistics_over_reversed_bounds_are_refused(station: WeatherStation) -> None:
    with pytest.raises(ValueError, match="before the start"):
        station.statistics("wind", start="2015-01-02", end="2015-01-01")


def test_a_self_test_is_counted(station: WeatherStation) -> None:
    assert station.completed_self_tests() == 0
    station.self_test()
    assert station.completed_self_tests(wait_for=1) == 1


def test_waiting_for_a_self_test_that_does_not_come_ends_at_the_timeout(
    station: WeatherStation,
) -> None:
    assert station.completed_self_tests(wait_for=1, timeout=0.01) == 0
