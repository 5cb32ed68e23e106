"""Converters of values of which there are only a few: enumerations and literals."""

from __future__ import annotations

import base64
from typing import Any, Final, NamedTuple

from pyro_protocol.contract.described import NO_VALUE
from pyro_protocol.serializers import ForeignMember

from .mismatches import MismatchError, Misspelled, brief, shown

__all__ = ["Choice", "ChoiceValue"]

_RANK: Final = 2
_MOST_TOLD: Final = 10
_MOST_DIGITS: Final = 100
"""Flags are numbers; no program has as many as make a longer one."""


class Choice(NamedTuple):
    """A value that there is to choose.

    Attributes:
        name: that of a member of an enumeration, or None.
        value: the value; `NO_VALUE` if it is not known.
        sent: what is sent.
    """

    name: str | None
    value: Any
    sent: Any


class ChoiceValue:
    """One of a few values: a member of an enumeration, or one of a `Literal`.

    A member is given by its value or its name, and flags also as the number that they
    make together, or as names with ``|`` between them.

    Args:
        choices: what there is to choose from.
        is_flags: whether they can be combined.
        class_name: of flags, what their class is called.
    """

    rank = _RANK

    def __init__(
        self,
        choices: list[Choice],
        *,
        is_flags: bool = False,
        class_name: str = "",
    ) -> None:
        self._by_value: dict[tuple[type, Any], Any] = {}
        self._by_text: dict[str, Any] = {}
        self._by_name: dict[str, Any] = {}
        self._flags: dict[str, int] = {}
        self._class_name = class_name
        labels = []
        for name, value, sent in choices:
            if isinstance(value, bool | int | float | str | bytes | None):
                self._by_value.setdefault((type(value), value), sent)
                self._by_text.setdefault(_text_of(value), sent)
            if name is not None:
                self._by_name[name] = sent
            if is_flags and name is not None and type(value) is int:
                self._flags[name] = value
            is_told = name is None or type(value) is str
            labels.append(repr(value) if is_told else str(name))
        more = ", …" if len(labels) > _MOST_TOLD else ""
        self.expected: str = brief(f"one of {', '.join(labels[:_MOST_TOLD])}{more}")

    def read_text(self, text: str) -> Any:
        """Return the member whose value or name is a text."""
        found = self._by_text.get(text, NO_VALUE)
        if found is NO_VALUE:
            found = self._by_name.get(text, NO_VALUE)
        return self._combined(text) if found is NO_VALUE else found

    def read_texts(self, texts: list[str]) -> Any:
        """Return the member that the only text names."""
        if len(texts) == 1:
            return self.read_text(texts[0])
        raise MismatchError.of(f"expected {self.expected}, but it is given repeatedly")

    def read_json(self, value: Any) -> Any:
        """Return the member whose value or name is a JSON value."""
        if type(value) is str:
            return self._read_json_text(value)
        found = NO_VALUE
        if type(value) is float and value.is_integer():
            # JSON does not tell them apart.
            found = self._by_value.get((float, value), NO_VALUE)
            value = int(value)
        if found is NO_VALUE and type(value) in (bool, int, float, type(None)):
            found = self._by_value.get((type(value), value), NO_VALUE)
        return self._combined(value) if found is NO_VALUE else found

    def _read_json_text(self, text: str) -> Any:
        found = self._by_value.get((str, text), NO_VALUE)
        if found is NO_VALUE:
            found = self._by_name.get(text, NO_VALUE)
        if found is NO_VALUE:
            # Bytes are base64.
            found = self._by_text.get(text, NO_VALUE)
            if not isinstance(found, bytes):
                found = NO_VALUE
        return self._combined(text) if found is NO_VALUE else found

    def _combined(self, value: Any) -> Any:
        """Return a combination of flags."""
        number = self._number(value) if self._flags else None
        if number is None:
            text = f"expected {self.expected}, not {shown(value)}"
            if type(value) is not str:
                raise MismatchError.of(text)
            known = [*self._by_name, *self._by_text]
            raise MismatchError.of(Misspelled(text, value, known))
        return ForeignMember(self._class_name, None, number)

    def _number(self, value: Any) -> int | None:
        if type(value) is str:
            if value.isascii() and value.isdecimal() and len(value) < _MOST_DIGITS:
                return self._number(int(value))
            number = 0
            for name in value.split("|"):
                flag = self._flags.get(name.strip())
                if flag is None:
                    return None
                number |= flag
            return number
        if type(value) is not int or value < 0:
            return None
        known = 0
        for flag in self._flags.values():
            known |= flag
        return value if not value & ~known else None


def _text_of(value: Any) -> str:
    if type(value) is bytes:
        return base64.b64encode(value).decode("ascii")
    names = {None: "null", True: "true", False: "false"}
    if value is None or type(value) is bool:
        return names[value]
    return str(value)
