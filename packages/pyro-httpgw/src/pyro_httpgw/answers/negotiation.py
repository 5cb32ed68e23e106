"""Which form of an answer a web client prefers: the header field ``Accept``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ANYTHING", "Accepted", "accepted"]

LONGEST_FIELD: Final = 2000
"""How many characters of the field are read: browsers send some hundred, and reading
it must not take long whatever is in it."""

# Programs send one of a few; a bound for those that invent them.
_REMEMBERED: Final = 256

# Quoted texts may hold commas and semicolons.
_QUOTED: Final = r'"(?:\\.|[^"\\])*"'
_RANGE: Final = re.compile(rf"(?:{_QUOTED}|[^,])++")
_PARAMETER: Final = re.compile(rf";((?:{_QUOTED}|[^;])*+)")
_QUALITY: Final = re.compile(r"(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\Z", re.ASCII)


class Accepted(NamedTuple):
    """What a client takes.

    Attributes:
        ranges: how much it wants each media type, from 0 to 1; ``type/*`` and ``*/*``
            stand for many.
    """

    ranges: dict[str, float]

    def quality(self, media_type: str) -> float:
        """Return how much a media type is wanted; 0 means that it is not taken."""
        kind = media_type.partition("/")[0]
        for one in (media_type, f"{kind}/*", "*/*"):
            if one in self.ranges:
                return self.ranges[one]
        return 0.0

    def best(self, offers: Sequence[str]) -> str | None:
        """Return which of some media types is wanted most, None if none is taken.

        Among those that are wanted equally it is the first.
        """
        best = max(offers, key=self.quality)
        return best if self.quality(best) > 0 else None

    def names(self, media_type: str) -> bool:
        """Whether a media type is wanted, and not just anything."""
        kind = media_type.partition("/")[0]
        named = self.ranges.get(media_type, self.ranges.get(f"{kind}/*", 0.0))
        return named > 0


ANYTHING: Final = Accepted({"*/*": 1.0})
"""What a client takes that does not say."""


def accepted(field: str) -> Accepted:
    """Return what the field of a request says; nothing in it means anything.

    Parameters other than the quality are not looked at, and a malformed quality is
    taken for 1.
    """
    return _read(field[:LONGEST_FIELD])


@lru_cache(maxsize=_REMEMBERED)
def _read(field: str) -> Accepted:
    ranges: dict[str, float] = {}
    for found in _RANGE.finditer(field):
        media_range, _semicolon, rest = found[0].partition(";")
        name = media_range.strip().lower()
        if "/" in name:
            ranges[name] = max(ranges.get(name, 0.0), _quality_of(f";{rest}"))
    return Accepted(ranges) if ranges else ANYTHING


def _quality_of(parameters: str) -> float:
    for found in _PARAMETER.finditer(parameters):
        name, _equals, value = found[1].partition("=")
        if name.strip().lower() == "q":
            text = value.strip()
            return float(text) if _QUALITY.match(text) else 1.0
    return 1.0
