"""Converters of objects with known fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_protocol.serializers import ForeignRecord

from .conversion import JsonText
from .json_input import CLASS_KEY
from .mismatches import MOST_PROBLEMS, MismatchError, Misspelled, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.contract.described import DescribedType

    from .conversion import Converter

__all__ = ["RecordValue"]


class RecordValue(JsonText):
    """An object with known fields: a dataclass, a NamedTuple or a TypedDict.

    A NamedTuple can be given as a list as well, which is how it comes back. The key
    ``__class__``, which the others come back with, may be there.

    Args:
        described: the class.
        converter_of: returns the converter of an annotation.
    """

    def __init__(
        self, described: DescribedType, converter_of: Callable[[str | None], Converter]
    ) -> None:
        self.expected: str = f"a {described.name.rpartition('.')[2]}"
        self._described = described
        self._converter_of = converter_of
        self._fields: dict[str, Converter] | None = None
        self._names = tuple(field.name for field in described.fields)
        needed = [field.name for field in described.fields if field.default is None]
        self._required = tuple(dict.fromkeys(needed))

    def read_json(self, value: Any) -> Any:
        """Return what an object stands for."""
        kind = self._described.kind
        names = self._names
        if kind == "namedtuple" and type(value) is list and len(value) <= len(names):
            value = dict(zip(names, value, strict=False))
        if type(value) is not dict:
            self.refuse(value)
        fields = self._read(value)
        if kind == "typeddict":
            return fields
        return ForeignRecord(
            self._described.name,
            fields,
            "namedtuple" if kind == "namedtuple" else "dataclass",
        )

    def _read(self, value: dict[str, Any]) -> dict[str, Any]:
        converters = self._fields
        if converters is None:
            # Not before, since a class may have fields of its own class.
            converters = self._fields = {
                field.name: self._converter_of(field.annotation)
                for field in self._described.fields
            }
        result: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, one in value.items():
            converter = converters.get(name)
            try:
                if converter is None:
                    self._check_unknown(name, one)
                else:
                    result[name] = converter.read_json(one)
            except MismatchError as error:
                problems += error.within(name)
                if len(problems) >= MOST_PROBLEMS:
                    break
        problems += [
            ((name,), "is missing") for name in self._required if name not in value
        ]
        if problems:
            raise MismatchError(problems)
        return result

    def _check_unknown(self, name: str, value: Any) -> None:
        """Let the name of the class pass, and nothing else that is not a field."""
        if name == CLASS_KEY and self._described.kind != "typeddict":
            if value == self._described.name:
                return
            raise MismatchError.of(f"expected {self.expected}, not {shown(value)}")
        text = f"{self.expected} has no such field"
        raise MismatchError.of(Misspelled(text, name, self._names))
