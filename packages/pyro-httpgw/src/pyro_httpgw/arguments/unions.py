"""Converters of values that may be of several kinds.

Where an annotation allows text, a text stays a text: an ``int | str`` that is given in
a query string is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .conversion import ANY_VALUE, ScalarValue
from .mismatches import MismatchError, brief, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .conversion import Converter

__all__ = ["Tried", "UnionValue", "read_whole"]

Tried = dict[tuple[int, int], tuple[Any, Any, MismatchError | None]]
"""What options of unions have made of values: by the identities of both, the value,
which so keeps its identity, the result, and why there is none."""


class UnionValue:
    """A value of one of several kinds.

    Args:
        options: what reads them.
        known: what has become of the lists and objects that were tried. Without it a
            value that is nested in many unions would be read again and again, twice
            as often with each of them. Whoever gives the values empties it then.

    Attributes:
        options: what reads them, in the order in which they are tried.
    """

    def __init__(
        self,
        options: Sequence[Converter],
        known: Tried,
    ) -> None:
        self.options: list[Converter] = sorted(options, key=lambda one: one.rank)
        self._known = known
        self.expected: str = brief(" or ".join(one.expected for one in options))
        self.rank: int = min(one.rank for one in options)

    def read_text(self, text: str) -> Any:
        """Return what one text stands for."""
        return self._first("read_text", text)

    def read_texts(self, texts: list[str]) -> Any:
        """Return what the texts of a parameter stand for."""
        if len(texts) == 1:
            return self.read_text(texts[0])
        # Texts that are left as they are come after lists of something else.
        return self._first("read_texts", texts, self.options[::-1])

    def read_json(self, value: Any) -> Any:
        """Return what a JSON value stands for."""
        if type(value) is not list and type(value) is not dict:
            return self._first("read_json", value)
        failures = []
        for option in self.options:
            key = (id(option), id(value))
            outcome = self._known.get(key)
            if outcome is None:
                try:
                    outcome = value, option.read_json(value), None
                except MismatchError as error:
                    outcome = value, None, error
                self._known[key] = outcome
            _value, result, failure = outcome
            if failure is None:
                return result
            failures.append(failure)
        raise self._failure(value, failures)

    def _first(
        self, form: str, value: Any, options: Sequence[Converter] | None = None
    ) -> Any:
        failures = []
        for option in options or self.options:
            try:
                return getattr(option, form)(value)
            except MismatchError as error:
                failures.append(error)
        raise self._failure(value, failures)

    def _failure(self, value: Any, failures: list[MismatchError]) -> MismatchError:
        """Return the failure of the one option that seems to be meant, or of all."""
        inside = [one for one in failures if all(place for place, _ in one.problems)]
        if len(inside) == 1:
            return inside[0]
        return MismatchError.of(f"expected {self.expected}, not {shown(value)}")


def read_whole(converter: Converter, value: str | bytes) -> Any:
    """Return what a body that is one value stands for.

    Raises:
        MismatchError: no text, or no bytes, are allowed.
    """
    if isinstance(converter, UnionValue):
        for option in converter.options:
            try:
                return read_whole(option, value)
            except MismatchError:
                continue
    elif converter is ANY_VALUE:
        return value
    elif isinstance(converter, ScalarValue):
        if converter.name == ("str" if isinstance(value, str) else "bytes"):
            return value
        if converter.name == "bytearray" and isinstance(value, bytes):
            return bytearray(value)
    given = "a text" if isinstance(value, str) else "bytes"
    raise MismatchError.of(f"expected {converter.expected}, not {given}")
