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
from .serpent_reader import read_serpent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    def key(self, value: Any) -> Any:
        kind = type(value)
        if kind is str or kind is int:
            return value
        if kind is tuple:
            return self._keys(value)
        if kind in _BYTES and not config.SERPENT_BYTES_REPR:
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


def _write(value: object) -> bytes:
    data: bytes = serpent.dumps(value, bytes_repr=config.SERPENT_BYTES_REPR)
    return data


class SerpentSerializer(Serializer):
    """Serpent text: the default towards Pyro programs of other families."""

    name = "serpent"
    id = 1

    _simplify: Final = _SerpentSimplifier(name, _LEAVES, _FORMS)

    def _encode(self, value: object) -> bytes:
        return _write(self._simplify(value))

    def _encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        return _write(self._simplify.call(object_id, method, args, kwargs))

    def _decode(self, data: Buffer) -> Any:
        text = str(data, "utf-8")
        if text.startswith("#"):
            text = text[text.find("\n") + 1 :]
        value, has_classes = read_serpent(text)
        return recreate(value, serpent=True) if has_classes else value
