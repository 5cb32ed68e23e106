"""Converters of lists, tuples and dictionaries."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.limits import check_hashes

from .conversion import JsonText
from .mismatches import MOST_PROBLEMS, MismatchError, Problem, brief

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .conversion import Converter

__all__ = ["ListValue", "MappingValue", "TupleValue"]


def _read_parts(read: Callable[[Any], Any], values: Sequence[Any]) -> list[Any]:
    """Return what all values stand for.

    Raises:
        MismatchError: some do not fit; it tells of all of them.
    """
    result = []
    problems: list[Problem] = []
    for position, value in enumerate(values):
        try:
            result.append(read(value))
        except MismatchError as error:
            problems += error.within(position)
            if len(problems) >= MOST_PROBLEMS:
                break
    if problems:
        raise MismatchError(problems)
    return result


_SETS: Final[dict[str, type]] = {"set": set, "frozenset": frozenset}
_ORDERED: Final[dict[str, type]] = {
    "list": list,
    "tuple": tuple,
    "collections.deque": deque,
}


class ListValue(JsonText):
    """Any number of values of one kind.

    In a query string it is a parameter that is repeated, or a list in JSON.

    Args:
        kind: see `annotations.Sequence`.
        item: what each of them is.
    """

    def __init__(self, kind: str, item: Converter) -> None:
        self.expected: str = brief(f"a list, each {item.expected}")
        self._item = item
        self._make = _SETS.get(kind) or _ORDERED[kind]
        self._is_set = kind in _SETS

    def read_text(self, text: str) -> Any:
        """Return what a list in JSON, or else the only item, stands for."""
        if not text.startswith("["):
            return self._from_texts([text])
        try:
            return super().read_text(text)
        except MismatchError:
            # Of some types there are texts that look like a list.
            try:
                return self._from_texts([text])
            except MismatchError:
                pass
            raise

    def read_texts(self, texts: list[str]) -> Any:
        """Return what the texts of the items stand for."""
        return self.read_text(texts[0]) if len(texts) == 1 else self._from_texts(texts)

    def read_json(self, value: Any) -> Any:
        """Return what a list stands for."""
        if type(value) is not list:
            self.refuse(value)
        return self._made(_read_parts(self._item.read_json, value))

    def _from_texts(self, texts: list[str]) -> Any:
        return self._made(_read_parts(self._item.read_text, texts))

    def _made(self, items: list[Any]) -> Any:
        if self._is_set:
            _check_hashable(items)
        return self._make(items)


def _check_hashable(items: list[Any]) -> None:
    try:
        check_hashes(items)
        # It does not look at those of a few.
        for item in items:
            hash(item)
    except TypeError:
        raise MismatchError.of("a list or an object cannot be in a set") from None
    except SerializeError as error:
        raise MismatchError.of(str(error)) from None


class TupleValue(JsonText):
    """As many values as there are converters.

    Args:
        items: what the values are, in order.
    """

    def __init__(self, items: tuple[Converter, ...]) -> None:
        named = ", ".join(item.expected for item in items)
        whole = f"a list of {len(items)}: {named}" if items else "an empty list"
        self.expected: str = brief(whole)
        self._items = items

    def read_texts(self, texts: list[str]) -> Any:
        """Return what the texts of the items, or the only one in JSON, stand for."""
        if len(texts) == 1:
            return self.read_text(texts[0])
        return self._read(texts, "read_text")

    def read_json(self, value: Any) -> Any:
        """Return what a list stands for."""
        if type(value) is not list:
            self.refuse(value)
        return self._read(value, "read_json")

    def _read(self, values: list[Any], form: str) -> Any:
        if len(values) != len(self._items):
            raise MismatchError.of(f"expected {self.expected}, not {len(values)}")
        readers = [getattr(item, form) for item in self._items]
        pairs = list(zip(readers, values, strict=True))
        return tuple(_read_parts(lambda pair: pair[0](pair[1]), pairs))


class MappingValue(JsonText):
    """A dictionary; in JSON all of its keys are text.

    Args:
        key: what the keys are.
        value: what the values are.
    """

    def __init__(self, key: Converter, value: Converter) -> None:
        self.expected = "an object"
        self._key = key
        self._value = value

    def read_json(self, value: Any) -> Any:
        """Return what an object stands for."""
        if type(value) is not dict:
            self.refuse(value)
        keys = []
        values = []
        problems: list[Problem] = []
        for name, one in value.items():
            try:
                keys.append(self._key.read_text(name))
                values.append(self._value.read_json(one))
            except MismatchError as error:
                problems += error.within(name)
                if len(problems) >= MOST_PROBLEMS:
                    break
        if problems:
            raise MismatchError(problems)
        _check_hashable(keys)
        return dict(zip(keys, values, strict=True))
