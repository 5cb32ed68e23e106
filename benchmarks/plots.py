"""Plots of how something grows, as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Line", "Panel", "as_svg", "opening", "text_at"]

_WIDTH: Final = 420
_HEIGHT: Final = 300
_LEFT: Final = 70
_RIGHT: Final = 20
_TOP: Final = 40
_BOTTOM: Final = 50
_LEGEND: Final = 40
_COLUMNS: Final = 2


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a panel.

    Attributes:
        title: for the legend.
        color: of SVG.
        points: values by size.
    """

    title: str
    color: str
    points: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Panel:
    """One diagram of a plot; both of its axes are logarithmic.

    Attributes:
        title: above it.
        lines: in it.
        sizes: what the sizes count; empty for what all panels say.
    """

    title: str
    lines: Sequence[Line]
    sizes: str = ""


def as_svg(panels: Sequence[Panel], unit: str, sizes: str) -> str:
    """Return panels beside and below each other, with one legend.

    Args:
        panels: at least one; lines with the same title have the same color.
        unit: of the values.
        sizes: what the sizes count, where a panel does not say so itself.
    """
    rows = ceil(len(panels) / _COLUMNS)
    width, height = _WIDTH * _COLUMNS, _HEIGHT * rows + _LEGEND
    parts = [opening(width, height)]
    for number, panel in enumerate(panels):
        row, column = divmod(number, _COLUMNS)
        place = f"{column * _WIDTH} {row * _HEIGHT + _LEGEND}"
        parts += [
            f'<g transform="translate({place})">',
            *_panel(panel, unit, panel.sizes or sizes),
            "</g>",
        ]
    keys = {line.title: line.color for panel in panels for line in panel.lines}
    for number, (title, color) in enumerate(keys.items()):
        left = 20 + number * (width - 20) / len(keys)
        parts += [_key(left, color), text_at(left + 30, 24, title, "start")]
    return "\n".join([*parts, "</svg>", ""])


def opening(width: int, height: int) -> str:
    """Return the beginning of a drawing, with a white ground."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
        f' viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="{width}" height="{height}" fill="white"/>'
    )


def _key(left: float, color: str) -> str:
    return (
        f'<line x1="{left:.0f}" y1="20" x2="{left + 24:.0f}" y2="20"'
        f' stroke="{color}" stroke-width="3"/>'
    )


def _panel(panel: Panel, unit: str, sizes_title: str) -> Iterator[str]:
    values = [value for line in panel.lines for value in line.points.values()]
    sizes = sorted({size for line in panel.lines for size in line.points})
    lowest, highest = floor(log10(min(values))), ceil(log10(max(values)))
    left, right = log10(sizes[0]), log10(sizes[-1])
    plot_width = _WIDTH - _LEFT - _RIGHT
    plot_height = _HEIGHT - _TOP - _BOTTOM

    def across(size: int) -> float:
        return _LEFT + plot_width * (log10(size) - left) / (right - left or 1)

    def down(value: float) -> float:
        share = (log10(value) - lowest) / (highest - lowest or 1)
        return _TOP + plot_height * (1 - share)

    yield text_at(_WIDTH / 2, _TOP - 14, f"{panel.title}, {unit}", "middle")
    for exponent in range(lowest, highest + 1):
        y = down(10.0**exponent)
        yield (
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_WIDTH - _RIGHT}" y2="{y:.1f}"'
            ' stroke="#dddddd"/>'
        )
        yield text_at(_LEFT - 8, y + 4, f"{10.0**exponent:,.10g}", "end")
    for size in sizes:
        yield text_at(across(size), _HEIGHT - _BOTTOM + 20, f"{size:,}", "middle")
    yield text_at(_WIDTH / 2, _HEIGHT - 8, sizes_title, "middle")
    for line in panel.lines:
        points = [
            (across(size), down(one)) for size, one in sorted(line.points.items())
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield (
            f'<polyline points="{path}" fill="none" stroke="{line.color}"'
            ' stroke-width="2"/>'
        )
        for x, y in points:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.color}"/>'


def text_at(x: float, y: float, text: str, anchor: str) -> str:
    """Return a text that starts, ends or has its middle at a place."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
