"""Writes serpent text, to the letter as the serpent library writes it.

One pass both makes objects plain and writes them. Python's own ``repr`` writes what
it writes as the library does, which is all text and whole numbers.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections import UserDict, UserList, UserString, deque
from typing import TYPE_CHECKING, Any, Final

from ..errors import SerializeError
from .classes import CLASS_KEY, simplify
from .codec import type_name
from .forms import BASE_FORMS, LATE_TEXT_FORMS, TEXT_FORMS
from .late_types import add_late_forms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["WRITTEN_LEVELS", "SerpentWriter"]

WRITTEN_LEVELS: Final = 201
"""How deeply nested containers are written: as deep as the serpent library does with
the usual recursion limit, which is a little deeper than anyone reads."""

_EMPTY: Final[dict[str, object]] = {}
_FORMS: Final[dict[type, Callable[[Any], object]]] = {
    **BASE_FORMS,
    **TEXT_FORMS,
    UserDict: dict,
    UserList: list,
    UserString: str,
    deque: list,
    type(_EMPTY.items()): list,
    type(_EMPTY.keys()): list,
    type(_EMPTY.values()): list,
}
add_late_forms(_FORMS, LATE_TEXT_FORMS)

_BY_REPR: Final = frozenset({bool, int, str, type(None)})
_KEYS_BY_REPR: Final = frozenset({bool, int, str})
_BYTES: Final = frozenset({bytes, bytearray, memoryview})
_CONTAINERS: Final = frozenset({dict, list, tuple})
_SETS: Final = frozenset({frozenset, set})
# What the library does not write as a key, but in a tuple that is one.
_KEYS_IN_TUPLES: Final = frozenset({frozenset, memoryview, type(None)})
_NO_KEYS: Final = frozenset({bytearray, dict, list, set})

_SPECIAL_FLOATS: Final = {
    "inf": "1e30000",
    "-inf": "-1e30000",
    "nan": f"{{'{CLASS_KEY}':'float','value':'nan'}}",
}


class SerpentWriter:
    """Writes values as serpent text.

    Args:
        writes_literals: tells whether bytes are written as literals.
    """

    def __init__(self, writes_literals: Callable[[], bool]) -> None:
        self._writes_literals = writes_literals

    def write(self, value: Any, depth: int = 0) -> str:
        """Return the text of ``value``, which is inside of ``depth`` containers.

        Raises:
            SerializeError: there is something that cannot be written.
            RecursionError: the value is nested too deeply, or contains itself.
            ValueError: an integer has more digits than Python writes.
        """
        kind = type(value)
        if kind in _BY_REPR:
            return repr(value)
        if kind is float:
            text = repr(value)
            return _SPECIAL_FLOATS.get(text, text)
        if kind not in _CONTAINERS:
            return self._other(value, depth)
        if depth >= WRITTEN_LEVELS:
            raise RecursionError
        inner, write = depth + 1, self.write
        if kind is dict:
            if _KEYS_BY_REPR.issuperset(map(type, value)):
                pairs = [
                    f"{key!r}:{item!r}"
                    if type(item) in _BY_REPR
                    else f"{key!r}:{write(item, inner)}"
                    for key, item in value.items()
                ]
            else:
                pairs = [
                    f"{self._key(key, inner)}:{write(item, inner)}"
                    for key, item in value.items()
                ]
            return f"{{{','.join(pairs)}}}"
        items = ",".join(
            [
                repr(item) if type(item) in _BY_REPR else write(item, inner)
                for item in value
            ]
        )
        if kind is list:
            return f"[{items}]"
        return f"({items},)" if len(value) == 1 else f"({items})"

    def write_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> str:
        """Return the text of a call.

        Raises:
            SerializeError: there is something that cannot be written.
            RecursionError: an argument is nested too deeply, or contains itself.
            ValueError: an integer has more digits than Python writes.
        """
        arguments = self.write(args if type(args) is list else tuple(args), 1)
        named = self.write(dict(kwargs), 1) if kwargs else "{}"
        if kwargs is None:
            named = "None"
        return f"({object_id!r},{method!r},{arguments},{named})"

    def _other(self, value: Any, depth: int) -> str:
        """Return the text of what is not met all the time."""
        kind = type(value)
        if kind in _BYTES:
            if self._writes_literals():
                return repr(bytes(value))
            text = b2a_base64(value, newline=False).decode("ascii")
            return f"{{'data': '{text}', 'encoding': 'base64'}}"
        if kind is complex:
            return self._complex(value)
        if kind in _SETS:
            if depth >= WRITTEN_LEVELS:
                raise RecursionError
            items = self._keys(value, depth + 1)
            return f"{{{items}}}" if items else "()"
        return self.write(simplify(value, "serpent", _FORMS), depth)

    def _complex(self, value: complex) -> str:
        real, imaginary = self.write(value.real), self.write(value.imag)
        if value != value:  # noqa: PLR0124 - only nan is
            return f"{{'{CLASS_KEY}':'complex','real':{real},'imag':{imaginary}}}"
        sign = "" if imaginary.startswith("-") else "+"
        return f"({real}{sign}{imaginary}j)"

    def _keys(self, values: Iterable[Any], depth: int) -> str:
        return ",".join([self._key(value, depth) for value in values])

    def _key(self, value: Any, depth: int, *, in_tuple: bool = False) -> str:
        """Return the text of a key of a dictionary, or of an element of a set.

        What no reader of the text could read is refused.
        """
        kind = type(value)
        if kind in _KEYS_BY_REPR:
            return repr(value)
        if kind is tuple:
            if depth >= WRITTEN_LEVELS:
                raise RecursionError
            items = [self._key(item, depth + 1, in_tuple=True) for item in value]
            return f"({items[0]},)" if len(items) == 1 else f"({','.join(items)})"
        if kind is float or kind is complex:
            if value != value:  # noqa: PLR0124 - only nan is
                raise SerializeError(
                    f"cannot serialize a {kind.__name__} that is not a number with"
                    " serpent as a key or in a set"
                )
            return self.write(value, depth)
        if kind in _BYTES and not self._writes_literals():
            raise SerializeError(
                f"cannot serialize {type_name(kind)} with serpent as a key or in a set;"
                " use text, or set the configuration item SERPENT_BYTES_REPR"
            )
        if kind is bytes:
            return self.write(value, depth)
        if kind in _KEYS_IN_TUPLES:
            if in_tuple:
                return self.write(value, depth)
        elif kind not in _NO_KEYS:
            plain = simplify(value, "serpent", _FORMS)
            return self._key(plain, depth, in_tuple=in_tuple)
        raise SerializeError(
            f"cannot serialize {type_name(kind)} with serpent as a key or in a set;"
            " use text or numbers, or a list of pairs"
        )
