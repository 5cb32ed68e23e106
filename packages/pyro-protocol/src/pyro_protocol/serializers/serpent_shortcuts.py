"""Reads serpent text with Python's parser of JSON, where that gives the same.

What most messages hold is written almost alike in both: only quotes, tuples and three
words differ. Rewriting these and parsing the result takes a tenth of the time that
reading token by token takes; with sets, bytes, or keys that are not text, a fourth.
Whatever JSON has no equal for, and whatever is malformed or nested too deeply, is left
to `serpent_reader`: nothing is refused here.
"""

from __future__ import annotations

import re
from itertools import accumulate
from json import JSONDecoder, JSONEncoder
from typing import TYPE_CHECKING, Any, Final

from ..errors import SerializeError
from .classes import CLASS_KEY
from .serpent_marks import CONSTANTS, UnlikeError, container, mark, tuple_of
from .serpent_reader import NESTING_LIMIT, read_serpent

if TYPE_CHECKING:
    from collections.abc import Callable

    _Parser = Callable[[str, int], tuple[Any, int]]

__all__ = ["read_call", "read_value"]

# A string without its end is matched too, so that nothing is tried twice, and no
# quote stays outside.
_STRINGS: Final = re.compile(
    r"""('[^'\\\n\r\0]*+(?:\\[^\n\r\0][^'\\\n\r\0]*+)*+'?"""
    r"""|"[^"\\\n\r\0]*+(?:\\[^\n\r\0][^"\\\n\r\0]*+)*+"?)"""
)
_ESCAPE: Final = r"""\\[\\'"abfnrtvxuU]"""
_is_string: Final = re.compile(
    rf"""'[^'\\]*+(?:{_ESCAPE}[^'\\]*+)*+'|"[^"\\]*+(?:{_ESCAPE}[^"\\]*+)*+\""""
).fullmatch

# What holds no tuples, and only strings that JSON writes alike, but for the quotes.
_ALIKE: Final = r"""((?:[^'"\\()]++|'[^'"\\]*+')*+)"""
_NAME: Final = r"""'([^'"\\\0-\x1f]*+)'"""
_match_tuple: Final = re.compile(rf"\({_ALIKE}\)").fullmatch
# As in ('object','method',(1,'two'),{'three':3}).
_match_call: Final = re.compile(rf"\({_NAME},{_NAME},\({_ALIKE}\),{_ALIKE}\)").fullmatch

_NO_BRACKETS: Final = bytes(set(range(256)) - {*b"[({])}"})
# Steps up and down, as signed bytes.
_STEPS: Final = bytes.maketrans(b"[({])}", b"\x01\x01\x01\xff\xff\xff")

# A tuple becomes an object with these two keys, its items in a list under the first.
# The second tells it from what only begins, or only ends, like one.
_FIRST_KEY: Final = "\0"
_LAST_KEY: Final = "\1"
_OPENING: Final = '{"\\u0000":['
_CLOSING: Final = '],"\\u0001":0}'
_KEYS: Final = 2

_UNREADABLE: Final = (
    RecursionError,
    SerializeError,
    StopIteration,
    TypeError,
    ValueError,
)

# The arguments, and those by name.
_CALL_ENDS: Final = 2


def _no_constant(_name: str) -> object:
    raise UnlikeError


def _tuple_or_dict(found: dict[str, Any]) -> Any:
    if _FIRST_KEY not in found and _LAST_KEY not in found:
        return found
    if len(found) != _KEYS or _FIRST_KEY not in found or _LAST_KEY not in found:
        raise UnlikeError
    return tuple_of(found[_FIRST_KEY])


def _parser(**hooks: Any) -> _Parser:
    """Return what reads a value at a place in a text, and tells where it ends."""
    decoder: Any = JSONDecoder(**hooks)
    parser: _Parser = decoder.scan_once
    return parser


_parse: Final = _parser(parse_constant=_no_constant)
_parse_tuples: Final = _parser(object_hook=_tuple_or_dict, parse_constant=CONSTANTS.get)
_parse_marked: Final = _parser(
    object_pairs_hook=container, parse_constant=CONSTANTS.get
)
_as_json: Final = JSONEncoder(ensure_ascii=False).encode


def read_value(text: str, max_nesting: int) -> tuple[Any, bool]:
    """Return the value of a literal, and whether it may hold class dictionaries.

    Args:
        text: the literal.
        max_nesting: how deeply containers may be nested, at most `NESTING_LIMIT`.

    Raises:
        SerializeError, ValueError, SyntaxError, TypeError, RecursionError: as
            `read_serpent`.
    """
    if text == "None":
        return None, False
    if max_nesting > NESTING_LIMIT:  # noqa: PLR1730 - calling ``min`` takes longer
        max_nesting = NESTING_LIMIT
    found = None
    if len(text) <= max_nesting:
        if "(" not in text and '"' not in text and "\\" not in text:
            found = _parsed_alike(text)
        elif matched := _match_tuple(text):
            (items,) = matched.groups()
            found = _parsed_alike(f"[{items.removesuffix(',')}]")
            if found is not None and _is_tuple(items, found[0]):
                return tuple(found[0]), found[1]
            found = None
    return found or _rewritten(text, max_nesting) or read_serpent(text, max_nesting)


def read_call(text: str, max_nesting: int) -> tuple[Any, bool]:
    """Return what `read_value` does, in less time if it is a simple call.

    Args:
        text: the literal.
        max_nesting: how deeply containers may be nested, at most `NESTING_LIMIT`.

    Raises:
        SerializeError, ValueError, SyntaxError, TypeError, RecursionError: as
            `read_serpent`.
    """
    if max_nesting > NESTING_LIMIT:  # noqa: PLR1730 - calling ``min`` takes longer
        max_nesting = NESTING_LIMIT
    # A text cannot have more brackets than characters.
    if len(text) <= max_nesting and (matched := _match_call(text)):
        object_id, method, args, kwargs = matched.groups()
        found = _parsed_alike(f"[[{args.removesuffix(',')}],{kwargs}]")
        if found is not None and len(found[0]) == _CALL_ENDS:
            (items, named), has_classes = found
            if type(items) is list and _is_tuple(args, items):
                return (object_id, method, tuple(items), named), has_classes
    return read_value(text, max_nesting)


def _is_tuple(text: str, items: list[Any]) -> bool:
    """Tell whether items in parentheses are a tuple; that depends on their commas."""
    return len(items) > 1 or (not text if not items else text[-1] == ",")


def _parsed_alike(text: str) -> tuple[Any, bool] | None:
    """Return the value of a text without tuples, escapes and double quotes."""
    # Parts of words that only JSON has, or that only Python has.
    if "rue" in text or "alse" in text or "None" in text or "null" in text:
        return _rewritten(text, NESTING_LIMIT)
    return _parsed(_parse, text.replace("'", '"'))


def _rewritten(text: str, max_nesting: int) -> tuple[Any, bool] | None:
    """Return what `read_value` does, or None if JSON has no equal for it."""
    is_escaped = '"' in text or "\\" in text
    pieces = _STRINGS.split(text) if is_escaped else text.split("'")
    # What stands outside of strings, with one quote for each string.
    outside = "'".join(pieces[::2])
    if len(text) > max_nesting and _is_deeper(outside, max_nesting):
        return None
    structure = _json_words(outside)
    if structure is None or ("b'" in structure and not _are_bytes(pieces)):
        return None
    if is_escaped and not _rewrite_strings(pieces):
        return None
    parse: _Parser = _parse
    has_tuples = "(" in structure
    if (
        "b'" in structure
        # There are sets, or keys that are not text.
        or structure.count("{") != structure.count("{':") + structure.count("{}")
        or (has_tuples and is_escaped and "\\u000" in "".join(pieces[1::2]))
    ):
        parse = _parse_marked
        structure = mark(structure)
    elif has_tuples:
        parse = _parse_tuples
        structure = structure.replace(",)", ",NaN)")
        structure = structure.replace("(", _OPENING).replace(")", _CLOSING)
    if structure is not outside:
        pieces[::2] = structure.split("'")
    return _parsed(parse, '"'.join(pieces))


def _json_words(outside: str) -> str | None:
    """Return what stands outside of strings with the words of JSON for Python's.

    None if it holds words that only JSON has.
    """
    if "t" in outside or "f" in outside or "nu" in outside or "Na" in outside:
        return None
    if "j" in outside:
        # There are complex numbers.
        return None
    if "e" not in outside:
        return outside
    outside = outside.replace("None", "null")
    return outside.replace("True", "true").replace("False", "false")


def _parsed(parse: _Parser, text: str) -> tuple[Any, bool] | None:
    try:
        value, end = parse(text, 0)
    except _UNREADABLE:
        return None
    return (value, CLASS_KEY in text) if end == len(text) else None


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{") + text.count("(")


def _is_deeper(outside: str, limit: int) -> bool:
    """Tell whether brackets are nested deeper than ``limit``, if they match."""
    if _brackets(outside) <= limit:
        return False
    steps = outside.encode("ascii", "replace").translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b"))) > limit


def _are_bytes(pieces: list[str]) -> bool:
    """Tell whether all bytes may be written as text, before strings are rewritten."""
    return all(
        literal.isascii() and "\\u" not in literal and "\\U" not in literal
        for before, literal in zip(pieces[::2], pieces[1::2], strict=False)
        if before[-1:] == "b"
    )


def _rewrite_strings(pieces: list[str]) -> bool:
    """Turn each second piece, a string of Python, into the inside of one of JSON.

    Tells whether all of them are strings that serializers write.
    """
    for index in range(1, len(pieces), 2):
        literal = pieces[index]
        if "\\" in literal:
            if not _is_string(literal):
                return False
            # What is not ASCII becomes an escape as well, and all are read together.
            escaped = literal[1:-1].encode("ascii", "backslashreplace")
            try:
                value = escaped.decode("unicode_escape")
            except ValueError:
                return False
            pieces[index] = _as_json(value)[1:-1]
        elif len(literal) == 1 or literal[0] != literal[-1]:
            return False
        else:
            pieces[index] = literal[1:-1].replace('"', '\\"')
    return True
