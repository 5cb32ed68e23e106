"""Reads serpent text in one pass, in linear time and with little memory.

Serpent text is a Python literal. Python's own way to read one builds a syntax
tree first, which takes some five hundred times the memory of the text, and
seconds for two megabytes of it. This reader takes token by token and makes nothing
but the values. It knows the literals that serializers write. What only people
write, such as comments, triple quotes or adjacent strings, is left to
``ast.literal_eval``, as long as the text is short.
"""

from __future__ import annotations

import ast
import re
from typing import Any, Final

from ..errors import SerializeError
from .classes import CLASS_KEY
from .limits import check_depth, check_hashes, too_deep

__all__ = ["LITERAL_LIMIT", "NESTING_LIMIT", "read_serpent"]

NESTING_LIMIT: Final = 199
"""How deeply containers may be nested: as deep as Pyro5 can read."""

LITERAL_LIMIT: Final = 16 * 1024
"""Length in characters up to which text with unusual literals is read; this holds
what Python needs for it to some 8 MB, and to a tenth of a second."""

# Possessive repeats throughout: no token is ever tried in a second way, so the
# time is linear whatever the text is.
_WHITE: Final = " \t\r\n\f"
_SPACE: Final = rf"[{_WHITE}]*+"
_END: Final = r"(?![0-9A-Za-z_.])"
_DIGITS: Final = r"(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+"
_SINGLE: Final = r"[^'\\\n\r\0]*+"
_DOUBLE: Final = r'[^"\\\n\r\0]*+'
_ESCAPE: Final = r"""\\[\\'"abfnrtvxuU]"""
_BYTES_ESCAPE: Final = r"""\\[\\'"abfnrtvx]"""
_SINGLE_ASCII: Final = r"[\x20-\x26\x28-\x5b\x5d-\x7e]*+"
_DOUBLE_ASCII: Final = r"[\x20\x21\x23-\x5b\x5d-\x7e]*+"
_STRING: Final = rf"'{_SINGLE}'" + rf'|"{_DOUBLE}"'
_INTEGER: Final = rf"-?(?:0|[1-9][0-9]*+){_END}"
_OTHER_ATOM: Final = "|".join(
    (
        rf"'{_SINGLE}(?:{_ESCAPE}{_SINGLE})*+'",
        rf'"{_DOUBLE}(?:{_ESCAPE}{_DOUBLE})*+"',
        rf"b'{_SINGLE_ASCII}(?:{_BYTES_ESCAPE}{_SINGLE_ASCII})*+'",
        rf'b"{_DOUBLE_ASCII}(?:{_BYTES_ESCAPE}{_DOUBLE_ASCII})*+"',
        rf"-?{_DIGITS}{_END}",
        rf"\(-?{_DIGITS}[+-]{_DIGITS}j\)",
        rf"(?:None|True|False|\.\.\.){_END}",
    )
)
_TOKENS: Final = re.compile(
    rf"{_SPACE}(?:"
    rf"(?:({_STRING})|({_INTEGER})|({_OTHER_ATOM})){_SPACE}([,:]?)"
    rf"|([\])}}]){_SPACE}([,:]?)"
    r"|([\[({])"
    rf"|([^{_WHITE}]))"
)
# The last group of a match tells what was met; an atom and a closing bracket bring
# the comma or colon after them along.
_AFTER_ATOM: Final = 4
_AFTER_CLOSING: Final = 6
_OPENING: Final = 7

_CLOSING: Final = {"[": "]", "(": ")", "{": "}"}
_COMPLEX: Final = re.compile(rf"\((-?{_DIGITS})([+-])({_DIGITS})j\)")
_CONSTANTS: Final = {"None": None, "True": True, "False": False, "...": ...}


class _UnusualError(Exception):
    """The text is not in the form that serializers write."""


def read_serpent(text: str, max_nesting: int = NESTING_LIMIT) -> tuple[Any, bool]:
    """Return the value of a literal, and whether it may hold class dictionaries.

    Args:
        text: the literal.
        max_nesting: how deeply containers may be nested, at most `NESTING_LIMIT`.

    Raises:
        SerializeError: it is nested too deeply, unusual and long, or holds too many
            keys with the same hash.
        ValueError, SyntaxError, TypeError, RecursionError: it is malformed.
    """
    max_nesting = min(max_nesting, NESTING_LIMIT)
    try:
        return _read(text, max_nesting)
    except _UnusualError:
        if len(text) > LITERAL_LIMIT:
            raise SerializeError(
                f"serpent text of {len(text)} characters is not in the form that"
                f" serializers write; other forms are read up to {LITERAL_LIMIT}"
            ) from None
    try:
        value = ast.literal_eval(text)
    except MemoryError as error:
        # This is how Python's parser says that its stack is full.
        raise too_deep(max_nesting) from error
    check_depth(value, max_nesting)
    return value, True


def _read(text: str, max_nesting: int) -> tuple[Any, bool]:  # noqa: PLR0912 - one loop, one token a time
    outer: list[tuple[list[Any], str, int]] = []
    items: list[Any] = []
    opening = ""
    pairs = 0
    expected = True
    has_classes = False
    # Without white space at the end there is a token wherever the search starts: a
    # search that finds none would start again at the next character.
    for token in _TOKENS.finditer(text.rstrip(_WHITE)):
        kind = token.lastindex
        if kind == _AFTER_ATOM and expected:
            string, integer, atom, after = token.group(1, 2, 3, 4)
            if string is not None:
                items.append(string[1:-1])
            elif integer is not None:
                items.append(int(integer))
            else:
                items.append(_atom(atom))
        elif kind == _OPENING and expected:
            if len(outer) >= max_nesting:
                raise too_deep(max_nesting)
            outer.append((items, opening, pairs))
            items, opening, pairs = [], token[_OPENING], 0
            continue
        elif kind == _AFTER_CLOSING:
            closing, after = token.group(5, 6)
            if _CLOSING.get(opening) != closing or (pairs and len(items) != 2 * pairs):
                raise _UnusualError
            value = _container(closing, items, pairs, is_open=expected)
            has_classes = has_classes or (pairs > 0 and CLASS_KEY in value)
            items, opening, pairs = outer.pop()
            items.append(value)
        else:
            raise _UnusualError
        expected = bool(after)
        if after == ":":
            pairs += 1
            if opening != "{" or len(items) != 2 * pairs - 1:
                raise _UnusualError
        elif after and (not opening or (pairs and len(items) != 2 * pairs)):
            raise _UnusualError
    if expected or outer:
        raise _UnusualError
    return items[0], has_classes


def _container(closing: str, items: list[Any], pairs: int, *, is_open: bool) -> Any:
    """Return the finished container; ``is_open`` after a trailing comma."""
    if closing == "]":
        return items
    if closing == ")":
        return items[0] if len(items) == 1 and not is_open else tuple(items)
    if pairs or not items:
        keys = items[::2]
        check_hashes(keys)
        return dict(zip(keys, items[1::2], strict=True))
    check_hashes(items)
    return set(items)


def _atom(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    first = text[0]
    if first in "'\"":
        # What is not ASCII becomes an escape as well, and all are read together.
        escaped = text[1:-1].encode("ascii", "backslashreplace")
        return escaped.decode("unicode_escape")
    if first == "b":
        # Only the escapes that mean the same in text get here.
        return text[2:-1].encode("ascii").decode("unicode_escape").encode("latin-1")
    return _complex(text) if first == "(" else float(text)


def _complex(text: str) -> complex:
    found = _COMPLEX.fullmatch(text)
    if found is None:
        raise _UnusualError
    real, sign, imaginary = found.groups()
    # Python reads it as a sum, and so knows -0.0 only where it is a float.
    left = int(real) if real.lstrip("-").isdigit() else float(real)
    right = complex(0, float(imaginary))
    return left + right if sign == "+" else left - right
