"""The serpent serializer: Python literals as text, the common tongue of Pyro.

Bytes travel in base64 and arrive as the dictionary ``{'data': ..., 'encoding':
'base64'}``, which ``serpent.tobytes`` turns into bytes; with the configuration item
SERPENT_BYTES_REPR they travel as literals and arrive as bytes. An empty set arrives
as an empty tuple, a frozenset as a set; dates, UUIDs and Decimals arrive as text,
durations as seconds, members of enumerations as their values, and instances of
classes derived from builtin ones as the plain value.

The serpent library writes the text. Its registry of classes is not used, because
it belongs to the whole process; objects have been made plain before.
"""

from __future__ import annotations

from collections import UserDict, UserList, UserString, deque
from typing import TYPE_CHECKING, Any, Final

import serpent

from ..config import config
from ..errors import SerializeError
from .classes import Forms, recreate
from .codec import Buffer, Serializer, type_name
from .forms import BASE_FORMS, TEXT_FORMS, Simplifier
from .serpent_reader import NESTING_LIMIT, read_serpent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SerpentSerializer"]

_BYTES: Final = frozenset({bytes, bytearray, memoryview})
_LEAVES: Final = _BYTES | {type(None), bool, int, float, complex, str}
_EMPTY: Final[dict[str, object]] = {}
_FORMS: Final[Forms] = {
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


class _SerpentSimplifier(Simplifier):
    """Refuses the keys that no reader of the text could read."""

    def __init__(self, bytes_repr: Callable[[], bool]) -> None:
        super().__init__("serpent", _LEAVES, _FORMS)
        self._bytes_repr = bytes_repr

    def key(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or kind is int:
            return value
        if kind is tuple:
            return self._keys(value)
        if kind in _BYTES and not self._bytes_repr():
            raise SerializeError(
                f"cannot serialize {type_name(kind)} with serpent as a key or in a set;"
                " use text, or set the configuration item SERPENT_BYTES_REPR"
            )
        if (kind is float or kind is complex) and value != value:  # noqa: PLR0124 - only nan is
            raise SerializeError(
                f"cannot serialize a {kind.__name__} that is not a number with serpent"
                " as a key or in a set"
            )
        return self(value)


class SerpentSerializer(Serializer):
    """Serpent text: the default towards Pyro programs of other families.

    Args:
        max_nesting: how deeply received containers may be nested, at most as deeply
            as Pyro5 reads.
        bytes_repr: whether bytes are written as literals; None means what the global
            configuration says at the time.
    """

    name = "serpent"
    id = 1

    def __init__(
        self, *, max_nesting: int = NESTING_LIMIT, bytes_repr: bool | None = None
    ) -> None:
        self._max_nesting = max_nesting
        self._bytes_repr = bytes_repr
        self._simplify = _SerpentSimplifier(self._writes_literals)

    def _writes_literals(self) -> bool:
        chosen = self._bytes_repr
        return config.SERPENT_BYTES_REPR if chosen is None else chosen

    def _encode(self, value: object) -> bytes:
        return self._write(self._simplify(value))

    def _write(self, value: object) -> bytes:
        data: bytes = serpent.dumps(value, bytes_repr=self._writes_literals())
        return data

    def _encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        return self._write(self._simplify.call(object_id, method, args, kwargs))

    def _decode(self, data: Buffer) -> Any:
        text = str(data, "utf-8")
        if text.startswith("#"):
            text = text[text.find("\n") + 1 :]
        value, has_classes = read_serpent(text, self._max_nesting)
        return recreate(value, serpent=True) if has_classes else value
