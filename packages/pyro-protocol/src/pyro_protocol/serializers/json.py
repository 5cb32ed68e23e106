"""The json serializer: the standard library's JSON, with the names Pyro5 gives a call.

Tuples and sets arrive as lists, keys of dictionaries as text, dates, UUIDs and
Decimals as text, timedeltas as seconds. Bytes do not travel.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from ..errors import SerializeError
from .classes import CLASS_KEY, recreate, simplify
from .codec import Buffer, Serializer
from .forms import LATE_TEXT_FORMS, TEXT_FORMS
from .late_types import add_late_forms
from .limits import NESTING_LIMIT, too_deep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["JsonSerializer"]

_FORMS: Final = {**TEXT_FORMS, frozenset: list, set: list}
add_late_forms(_FORMS, LATE_TEXT_FORMS)


def _default(obj: object) -> object:
    return simplify(obj, JsonSerializer.name, _FORMS)


_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_STRING: Final = re.compile(rb'"[^"]*+"')
_NO_STRUCTURE: Final = bytes(set(range(256)) - {*b'[]{}"'})
# Steps up and down, as signed bytes.
_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def _is_deeper(data: bytes, limit: int) -> bool:
    """Tell whether arrays and objects are nested deeper than ``limit``.

    If the text is malformed, what comes after that may be taken for nested, too.
    """
    if len(data) <= limit or data.count(b"[") + data.count(b"{") <= limit:
        return False
    if b"\\" in data:
        data = _ESCAPE.sub(b"", data)
    # Two quotes side by side can go, whether a string begins or ends there: which of
    # the others begin one stays the same. What is left are strings with brackets.
    brackets = data.translate(None, _NO_STRUCTURE).replace(b'""', b"")
    steps = _STRING.sub(b"", brackets).translate(_STEPS, b'"')
    return max(accumulate(memoryview(steps).cast("b")), default=0) > limit


class JsonSerializer(Serializer):
    """JSON text in UTF-8, for peers in any language.

    Args:
        max_nesting: how deeply received arrays and objects may be nested. The stack
            of Python may end earlier.
    """

    name = "json"
    id = 3

    _encoder: Final = json.JSONEncoder(ensure_ascii=False, default=_default)
    _decoder: Final = json.JSONDecoder()

    def __init__(self, *, max_nesting: int = NESTING_LIMIT) -> None:
        self._max_nesting = max_nesting

    def _encode(self, value: object) -> bytes:
        data = self._encoder.encode(value).encode("utf-8")
        # Some versions of Python write more levels than any of our readers takes.
        if _is_deeper(data, NESTING_LIMIT):
            raise RecursionError
        return data

    def _encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        call = {"object": object_id, "method": method, "params": args, "kwargs": kwargs}
        return self._encode(call)

    def _decode(self, data: Buffer) -> Any:
        value, has_classes = self._parse(data)
        return recreate(value) if has_classes else value

    def _decode_call(self, data: Buffer) -> Any:
        call, has_classes = self._parse(data)
        try:
            object_id, method = call["object"], call["method"]
            args, kwargs = call["params"], call["kwargs"]
        except (KeyError, TypeError) as error:
            raise SerializeError(
                "malformed json call; it must be an object with the keys"
                " object, method, params and kwargs"
            ) from error
        if has_classes:
            args, kwargs = recreate(args), recreate(kwargs)
        return object_id, method, args, kwargs

    def _parse(self, data: Buffer) -> tuple[Any, bool]:
        """Return the plain value, and whether it may hold class dictionaries."""
        # Before it is read, because reading goes as deep into the stack.
        if _is_deeper(bytes(data), self._max_nesting):
            raise too_deep(self._max_nesting)
        text = str(data, "utf-8")
        # The name of the key can also be written with escapes.
        return self._decoder.decode(text), CLASS_KEY in text or "\\u" in text
