"""What is wrong with the arguments of a call: all of it at once, and where."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from ..errors import RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MOST_PROBLEMS",
    "MismatchError",
    "Misspelled",
    "Place",
    "Problem",
    "brief",
    "did_you_mean",
    "refuse",
    "shown",
]

Place = tuple[str | int, ...]
"""Where something is: names and positions, outermost first."""

Problem = tuple[Place, object]
"""Where something is wrong, and what: the text of this object."""

MOST_PROBLEMS: Final = 100
"""How many problems are looked for, and told. Of a list of a million wrong items these
are enough."""

_LONGEST_SHOWN: Final = 60
_LONGEST_BRIEF: Final = 200


class MismatchError(Exception):
    """A value does not fit where it was given.

    Args:
        problems: what is wrong; the places are within the value.

    Attributes:
        problems: the same, at least one.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__()
        self.problems: list[Problem] = list(problems)

    @classmethod
    def of(cls, text: object, *place: str | int) -> MismatchError:
        """Return the error for one problem."""
        return cls([(place, text)])

    def within(self, *place: str | int) -> list[Problem]:
        """Return the problems as they are seen from outside of a place."""
        return [((*place, *inner), text) for inner, text in self.problems]


class Misspelled:
    """What is wrong with a name, and which may be meant.

    That is found out when it is told: it takes long, and of a value that may be of
    several kinds, one may have no such name, and the next one fit.

    Args:
        text: what is wrong.
        name: the name that was given.
        known: those that there are.
    """

    __slots__ = ("_known", "_name", "_text")

    def __init__(self, text: str, name: str, known: Iterable[str]) -> None:
        self._text = text
        self._name = name
        self._known = known

    def __str__(self) -> str:
        return self._text + did_you_mean(self._name, self._known)


def brief(text: str) -> str:
    """Return a text, cut off if it is long, as one that is made of others can be."""
    return text if len(text) <= _LONGEST_BRIEF else f"{text[:_LONGEST_BRIEF]}…"


def shown(value: Any) -> str:
    """Return what messages say of a value that was received."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    names = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        return f"{value[:_LONGEST_SHOWN]!r}…"
    return brief(repr(value))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that ends a message, or ``""`` if nothing is similar."""
    from difflib import get_close_matches  # noqa: PLC0415 - for mistakes only

    folded = {one.casefold(): one for one in known}
    # It compares each with each, for a time that grows with the length.
    close = get_close_matches(name[:_LONGEST_SHOWN].casefold(), folded, n=1)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


def refuse(method: str, problems: list[Problem]) -> RequestRefusedError:
    """Return the refusal of arguments that do not fit.

    Args:
        method: the name of the method or attribute.
        problems: what is wrong with them.
    """
    errors = [
        {"loc": list(place), "msg": str(text)}
        for place, text in problems[:MOST_PROBLEMS]
    ]
    first = errors[0]
    detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    others = len(problems) - 1
    if len(problems) >= MOST_PROBLEMS:
        detail += " (and many more)"
    elif others:
        detail += f" (and {others} more)"
    return RequestRefusedError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"the arguments do not fit {method}: {detail}",
        "see errors; the address with $describe in the place of the method tells "
        "what it takes",
        members={"errors": errors},
    )
