"""Good bytes made bad: what hypothesis tries where no coverage guides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from fuzz.seeds import DICTIONARY

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["mutated"]

_MOST_MUTATIONS = 4


def _place(draw: st.DrawFn, data: bytes) -> int:
    return draw(st.integers(0, len(data)))


def _part(draw: st.DrawFn, data: bytes) -> bytes:
    """Return a piece of some bytes, of at most 64."""
    start = _place(draw, data)
    return data[start : start + draw(st.integers(0, 64))]


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Give some of the seeds with a few changes.

    A bit is flipped, a byte set, the end cut off, a piece removed, repeated, or
    replaced by one of another seed, or a word of the protocol put in.
    """
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, _MOST_MUTATIONS))):
        place = _place(draw, data)
        before, after = data[:place], data[place:]
        match draw(st.integers(0, 6)):
            case 0:
                bit = 1 << draw(st.integers(0, 7))
                data = before + bytes(one ^ bit for one in after[:1]) + after[1:]
            case 1:
                data = before + draw(st.binary(min_size=1, max_size=1)) + after[1:]
            case 2:
                data = before
            case 3:
                data = before + after[draw(st.integers(1, 16)) :]
            case 4:
                data = before + _part(draw, data) * draw(st.integers(1, 9)) + after
            case 5:
                data = before + _part(draw, draw(st.sampled_from(seeds))) + after
            case _:
                word = draw(st.sampled_from(DICTIONARY))
                data = before + word + after[draw(st.sampled_from([0, len(word)])) :]
    return data
