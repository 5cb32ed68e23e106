"""The plot of a report: how many times as fast as Pyro5 each library is, as SVG."""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any, Final

from measures import MEASURES
from plots import opening, text_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["as_summary"]


@dataclass(frozen=True, slots=True)
class _Mark:
    """How a peer is drawn."""

    title: str
    color: str
    radius: float = 4


_MARKS: Final = {
    "raw": _Mark("raw socket: the limit", "#bbbbbb"),
    "managers": _Mark("multiprocessing", "#8c6d31"),
    "rpyc": _Mark("RPyC", "#e08214"),
    "grpc": _Mark("gRPC", "#2166ac"),
    "thriftpy2": _Mark("thriftpy2", "#67a9cf"),
    "zerorpc": _Mark("zerorpc", "#c51b7d"),
    "zeromq": _Mark("ZeroMQ, msgpack", "#f1a7cf"),
    "pyro4": _Mark("Pyro4", "#c2a5cf"),
    "pyro5-msgpack": _Mark("Pyro5, msgpack", "#9970ab"),
    "pyro5": _Mark("Pyro5", "#762a83"),
    "ours": _Mark("this project", "#1b7837", 6.5),
}

_MEASURES: Final = (
    *("sequential", "unix", "threads", "together", "connect", "oneway"),
    *("records", "batch", "stream", "download1", "download"),
)
_REFERENCE: Final = "pyro5"

_LEFT: Final = 300
_WIDTH: Final = 860
_RIGHT: Final = 30
_TOP: Final = 100
_ROW: Final = 28
_LEGEND_COLUMNS: Final = 4


def as_summary(file: Path) -> str:
    """Return the drawing of a run on one CPU; empty if there is nothing to compare.

    Args:
        file: what ``run.py`` has written with ``--json``.
    """
    ratios = _ratios(file) if file.exists() else {}
    values = [value for found in ratios.values() for value in found.values()]
    if not values:
        return ""
    lowest, highest = floor(log10(min(values))), ceil(log10(max(values)))
    height = _TOP + _ROW * len(ratios) + 40
    return "\n".join(
        [
            opening(_WIDTH, height),
            *_legend(),
            *_scale(lowest, highest, height),
            *_rows(ratios, lowest, highest),
            "</svg>",
            "",
        ]
    )


def _ratios(file: Path) -> dict[str, dict[str, float]]:
    """Return how many times as fast as Pyro5 each peer is, by measure."""
    results: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))["results"]
    found = {one["measure"]: one["peers"] for one in results}
    ratios = {
        measure: {
            peer: found[measure][peer]["ratio_to_pyro5"]
            for peer in _MARKS
            if peer in found[measure] and found[measure][peer]["ratio_to_pyro5"]
        }
        for measure in _MEASURES
        if measure in found
    }
    return {measure: peers for measure, peers in ratios.items() if peers}


def _across(value: float, lowest: int, highest: int) -> float:
    share = (log10(value) - lowest) / (highest - lowest or 1)
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * share


def _legend() -> Iterator[str]:
    for number, mark in enumerate(reversed(_MARKS.values())):
        row, column = divmod(number, _LEGEND_COLUMNS)
        x, y = 20 + column * (_WIDTH - 20) / _LEGEND_COLUMNS, 20 + row * 20
        yield _dot(x, y, mark)
        yield text_at(x + 12, y + 4, mark.title, "start")


def _scale(lowest: int, highest: int, height: int) -> Iterator[str]:
    bottom = height - 40
    for exponent in range(lowest, highest + 1):
        x = _across(10.0**exponent, lowest, highest)
        yield (
            f'<line x1="{x:.1f}" y1="{_TOP - 10}" x2="{x:.1f}" y2="{bottom}"'
            f' stroke="{"#888888" if exponent == 0 else "#dddddd"}"/>'
        )
        yield text_at(x, bottom + 16, f"{10.0**exponent:,.10g}x", "middle")
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    yield text_at(middle, bottom + 34, "times as fast as Pyro5 with defaults", "middle")


def _rows(
    ratios: dict[str, dict[str, float]], lowest: int, highest: int
) -> Iterator[str]:
    for number, (measure, found) in enumerate(ratios.items()):
        y = _TOP + _ROW * (number + 0.5)
        title = MEASURES[measure].title.partition(" (")[0]
        yield text_at(_LEFT - 14, y + 4, title, "end")
        yield (
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"'
            ' stroke="#eeeeee"/>'
        )
        # Ours comes last, and so above the others.
        for peer, ratio in found.items():
            yield _dot(_across(ratio, lowest, highest), y, _MARKS[peer])


def _dot(x: float, y: float, mark: _Mark) -> str:
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{mark.radius}" fill="{mark.color}"'
        ' stroke="white" stroke-width="0.5"/>'
    )
