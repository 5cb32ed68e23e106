"""Texts for a terminal: what others have written, lengths of time, widths."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["cut", "printable", "set_text", "span", "width"]

# One of a unit says too little: it is anything from one to two. So each is used from
# two of it on.
_UNITS: Final = (("d", 86_400, 48 * 3600), ("h", 3600, 2 * 3600), ("m", 60, 120))
_WIDE: Final = ("W", "F")


def printable(text: str) -> str:
    """Return a text without what would move the cursor or turn the line round.

    Whoever registers a name chooses its characters, and others have it on their
    terminals.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def width(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, columns: int) -> str:
    """Return a printable text that takes no more columns; a mark shows what is cut."""
    if width(text) <= columns:
        return text
    kept = ""
    room = columns - 1
    for one in text:
        room -= _columns(one)
        if room < 0:
            break
        kept += one
    return kept + "…"


def set_text(tags: Iterable[str]) -> str:
    """Return the text of a set, always in the same order."""
    return "{" + ", ".join(map(repr, sorted(tags))) + "}"


def span(seconds: float) -> str:
    """Return a length of time in a unit that suits it, as ``57s`` or ``12d``."""
    whole = max(int(seconds), 0)
    for unit, size, least in _UNITS:
        if whole >= least:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
