"""The marshal serializer: Python's own binary format for plain values.

Python documents its reader as unsafe for data from a peer that is not trusted, so
nothing but the settings of a program should lead here; what has to be read
without being asked for goes through `marshal_reader`.

Objects anywhere in a value travel as class dictionaries; UUIDs as text, arrays as
lists. Subclasses of plain types arrive as the plain type.
"""

from __future__ import annotations

import marshal
import sys
from typing import TYPE_CHECKING, Any, Final

from .classes import CLASS_KEY, recreate
from .codec import Buffer, Serializer
from .forms import BASE_FORMS, COMMON_FORMS, LATE_COMMON_FORMS, Simplifier
from .late_types import add_late_forms
from .limits import NESTING_LIMIT, check_depth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MarshalSerializer"]

_VERSION: Final = 4
"""What Python 3.4 to 3.13 write; later ones read it as well."""

_LEAVES: Final = frozenset(
    {type(None), bool, int, float, complex, str, bytes, bytearray}
)
_FORMS: Final = {**BASE_FORMS, **COMMON_FORMS}
add_late_forms(_FORMS, LATE_COMMON_FORMS)


_CONTAINER_TYPES: Final = b"()[{<>"
# The highest bit says that the value may be referred to later.
_OTHERS: Final = bytes(
    set(range(256)) - {*_CONTAINER_TYPES, *b"\xa8\xa9\xdb\xfb\xbc\xbe"}
)


class MarshalSerializer(Serializer):
    """The marshal format; only for peers that are trusted.

    Hostile data can keep Python's reader busy for long, exhaust the memory, or crash
    the interpreter; nothing here can bound that.

    Args:
        max_nesting: how deeply received containers may be nested.
    """

    name = "marshal"
    id = 2

    _simplify: Final = Simplifier(name, _LEAVES, _FORMS)

    def __init__(self, *, max_nesting: int = NESTING_LIMIT) -> None:
        self._max_nesting = max_nesting

    def _encode(self, value: object) -> bytes:
        return marshal.dumps(self._simplify(value), _VERSION)

    def _encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        call = self._simplify.call(object_id, method, args, kwargs)
        return marshal.dumps(call, _VERSION)

    def _decode(self, data: Buffer) -> Any:
        if sys.version_info >= (3, 13):
            value = marshal.loads(data, allow_code=False)  # noqa: S302 - opted in
        else:
            value = marshal.loads(data)  # noqa: S302 - opted in
        limit = self._max_nesting
        if len(data) > limit and len(bytes(data).translate(None, _OTHERS)) > limit:
            check_depth(value, limit)
        # The format can express values that share parts, or contain themselves.
        return recreate(value, done={}) if _has_classes(data) else value


def _has_classes(data: Buffer) -> bool:
    # Names are always written out in this format.
    return CLASS_KEY.encode("ascii") in bytes(data)
