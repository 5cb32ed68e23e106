"""What web clients give, made into the values that annotations ask for.

A converter is made once for each annotation. It reads a value in three forms: the one
text, or the several texts, that a parameter has in a query string or a form, and a JSON
value. What it returns is what is sent to the object; what does not fit is a
`MismatchError`. Here are the simplest ones; for the others see `containers`, `choices`,
`records` and `unions`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from .json_input import check_class_keys, parse_json
from .mismatches import MismatchError, shown
from .scalars import SCALARS

if TYPE_CHECKING:
    from .scalars import ScalarForm

__all__ = [
    "ANY_VALUE",
    "COMMON_RANK",
    "AnyValue",
    "Converter",
    "JsonText",
    "LaterValue",
    "ScalarValue",
]

COMMON_RANK: Final = 7
"""The rank of converters that need not be tried before or after others."""

_FAILURES: Final = (ValueError, ArithmeticError, TypeError)
"""What the types raise for what they do not take."""


class Converter(Protocol):
    """Reads the values that an annotation allows."""

    @property
    def expected(self) -> str:
        """What messages call it."""

    @property
    def rank(self) -> int:
        """The order in which the parts of a union are tried, the lowest first."""

    def read_text(self, text: str) -> Any:
        """Return what one text stands for."""

    def read_texts(self, texts: list[str]) -> Any:
        """Return what the texts of a parameter stand for, of which there is one."""

    def read_json(self, value: Any) -> Any:
        """Return what a JSON value stands for."""


class AnyValue:
    """Of which nothing is known: what is given is sent."""

    expected = "anything"
    rank = 9

    def read_text(self, text: str) -> Any:
        """Return the text."""
        return text

    def read_texts(self, texts: list[str]) -> Any:
        """Return the text, or the list of several."""
        return texts[0] if len(texts) == 1 else texts

    def read_json(self, value: Any) -> Any:
        """Return the value."""
        return value


ANY_VALUE: Final = AnyValue()
"""Takes everything."""

_RANKS: Final = {
    "str": 0,
    "None": 1,
    "int": 3,
    "float": 4,
    "bool": 5,
    "datetime.date": 6,
    "bytes": 8,
    "bytearray": 8,
    "complex": 8,
}


class LaterValue:
    """Stands for a converter until it is made, of which it is a part itself.

    Attributes:
        converter: the converter.
    """

    expected = "the same again"
    rank = COMMON_RANK
    converter: Converter = ANY_VALUE

    def read_text(self, text: str) -> Any:
        """Return what one text stands for."""
        return self.converter.read_text(text)

    def read_texts(self, texts: list[str]) -> Any:
        """Return what the texts of a parameter stand for."""
        return self.converter.read_texts(texts)

    def read_json(self, value: Any) -> Any:
        """Return what a JSON value stands for."""
        return self.converter.read_json(value)


class ScalarValue:
    """A value without parts.

    Args:
        name: the name of its type in `SCALARS`.

    Attributes:
        name: the same.
    """

    __slots__ = ("_form", "_is_text", "expected", "name", "rank")

    def __init__(self, name: str) -> None:
        self.name: str = name
        self._form: ScalarForm = SCALARS[name]
        self._is_text = name == "str"
        self.expected: str = self._form.expected
        self.rank: int = _RANKS.get(name, COMMON_RANK)

    def read_text(self, text: str) -> Any:
        """Return what a text stands for."""
        try:
            return self._form.from_text(text)
        except _FAILURES:
            self._refuse(text)

    def read_texts(self, texts: list[str]) -> Any:
        """Return what the only text stands for; where text is allowed, also several."""
        if len(texts) == 1:
            try:
                return self._form.from_text(texts[0])
            except _FAILURES:
                self._refuse(texts[0])
        if self._is_text:
            return texts
        raise MismatchError.of(f"expected {self.expected}, but it is given repeatedly")

    def read_json(self, value: Any) -> Any:
        """Return what a JSON value stands for."""
        try:
            return self._form.from_json(value)
        except _FAILURES:
            self._refuse(value)

    def _refuse(self, value: Any) -> NoReturn:
        raise MismatchError.of(
            f"expected {self.expected}, not {shown(value)}"
        ) from None


class JsonText(ABC):
    """The part of a converter that reads JSON from the texts of a parameter."""

    expected: str
    rank: int = COMMON_RANK

    def read_text(self, text: str) -> Any:
        """Return what the JSON in a text stands for."""
        try:
            parsed = parse_json(text)
        except ValueError as error:
            raise MismatchError.of(
                f"expected {self.expected} as JSON, not {shown(text)}: {error}"
            ) from None
        value = self.read_json(parsed.value)
        if parsed.names_class:
            try:
                check_class_keys(value)
            except ValueError as error:
                raise MismatchError.of(str(error)) from None
        return value

    def read_texts(self, texts: list[str]) -> Any:
        """Return what the JSON in the only text stands for."""
        if len(texts) != 1:
            raise MismatchError.of(
                f"expected {self.expected}, but it is given repeatedly"
            )
        return self.read_text(texts[0])

    @abstractmethod
    def read_json(self, value: Any) -> Any:
        """Return what a JSON value stands for."""

    def refuse(self, value: Any) -> NoReturn:
        """Raise the error for a value that is something else.

        Raises:
            MismatchError: always.
        """
        raise MismatchError.of(f"expected {self.expected}, not {shown(value)}")
