"""The table of names that is printed on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .texts import cut, printable, span, width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .entries import Entry

__all__ = ["table"]

_GAP: Final = "  "
# What gives way first on a narrow terminal, and down to how many columns: the name is
# what one looks for, and times are short.
_SHRINKING: Final = (
    ({"URI", "METADATA"}, 16),
    ({"OWNER", "NAME"}, 12),
)


def _age(entry: Entry) -> str:
    return "" if entry.age is None else span(entry.age)


def _expiry(entry: Entry) -> str:
    return "" if entry.expires_in is None else span(entry.expires_in)


_COLUMNS: Final[dict[str, Callable[[Entry], str]]] = {
    "NAME": lambda entry: entry.name,
    "URI": lambda entry: entry.uri,
    "AGE": _age,
    "EXPIRES": _expiry,
    "OWNER": lambda entry: entry.owner or "",
    "METADATA": lambda entry: ", ".join(sorted(entry.metadata)),
}
_TO_THE_RIGHT: Final = {"AGE", "EXPIRES"}


def table(entries: Sequence[Entry], columns: int) -> list[str]:
    """Return the lines of a table of names.

    A column in which nothing would stand is left out.

    Args:
        entries: what to show.
        columns: how many columns the terminal has. What does not fit is cut.
    """
    if not entries:
        return ["no names"]
    cells = {
        title: [printable(text(entry)) for entry in entries]
        for title, text in _COLUMNS.items()
    }
    cells = {title: texts for title, texts in cells.items() if any(texts)}
    widths = {
        title: max(width(title), *map(width, texts)) for title, texts in cells.items()
    }
    _fit(widths, columns - len(_GAP) * (len(widths) - 1))
    rows = zip(*cells.values(), strict=True)
    lines = [_line(row, widths) for row in (tuple(cells), *rows)]
    count = len(entries)
    return [*lines, "1 name" if count == 1 else f"{count} names"]


def _fit(widths: dict[str, int], columns: int) -> None:
    """Make columns narrower, the widest first, until they fit or are at their least."""
    for titles, least in _SHRINKING:
        while (excess := sum(widths.values()) - columns) > 0:
            wide = {one: widths[one] for one in titles if widths.get(one, 0) > least}
            if not wide:
                break
            widest = max(wide, key=wide.__getitem__)
            # Never below the next one, which then gives way as well.
            others = [size for one, size in wide.items() if one != widest]
            floor = max([least, *(size - 1 for size in others)])
            widths[widest] = max(widths[widest] - excess, floor, least)


def _line(cells: Sequence[str], widths: dict[str, int]) -> str:
    parts = []
    for text, (title, size) in zip(cells, widths.items(), strict=True):
        shown = cut(text, size)
        padding = " " * (size - width(shown))
        parts.append(padding + shown if title in _TO_THE_RIGHT else shown + padding)
    return _GAP.join(parts).rstrip()
