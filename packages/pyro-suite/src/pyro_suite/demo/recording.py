"""The recording under ``data/``, which ``data/README.md`` describes."""

from __future__ import annotations

import csv
from datetime import date
from io import StringIO
from pathlib import Path
from typing import TypedDict

__all__ = ["RECORDING", "Reading", "parse_recording"]

RECORDING = Path(__file__).parent / "data" / "seattle-weather.csv"


class Reading(TypedDict):
    """What was measured on one day: millimetres, degrees and metres per second."""

    day: date
    precipitation: float
    temp_max: float
    temp_min: float
    wind: float
    weather: str


def parse_recording(text: str) -> list[Reading]:
    """Return the readings in the text of the file, the oldest first."""
    return [
        {
            "day": date.fromisoformat(row["date"].replace("/", "-")),
            "precipitation": float(row["precipitation"]),
            "temp_max": float(row["temp_max"]),
            "temp_min": float(row["temp_min"]),
            "wind": float(row["wind"]),
            "weather": row["weather"],
        }
        for row in csv.DictReader(StringIO(text))
    ]
