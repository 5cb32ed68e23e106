"""Values and docstrings as they are written in source text."""

from __future__ import annotations

import ast
from typing import Any, Final

__all__ = ["docstring_lines", "literal_text", "literal_value", "string_text"]

_TEXT_LIMIT: Final = 500
_NESTING_LIMIT: Final = 20
_CONTAINERS: Final[dict[type, str]] = {list: "[]", set: "{}", tuple: "()"}
_SCALARS: Final = (int, float, complex, bool, bytes, type(None))


def literal_value(text: str) -> Any:
    """Return the value of a literal.

    Raises:
        ValueError: it is not one.
    """
    if len(text) > _TEXT_LIMIT:
        raise ValueError("too long")
    if text in ("set()", "frozenset()"):
        return set() if text == "set()" else frozenset()
    try:
        return ast.literal_eval(text)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("not a literal") from error


def literal_text(value: Any, depth: int = _NESTING_LIMIT) -> str:
    """Return a plain value as a formatter would leave it.

    Raises:
        ValueError: it cannot be written.
    """
    if not depth:
        raise ValueError("nested too deeply")
    kind = type(value)
    if kind is str:
        return string_text(value)
    if kind is bytes:
        return "b" + _double_quoted(repr(value)[1:])
    if kind in _SCALARS:
        return repr(value)
    if kind is dict:
        pairs = [
            f"{literal_text(key, depth - 1)}: {literal_text(one, depth - 1)}"
            for key, one in value.items()
        ]
        return f"{{{', '.join(pairs)}}}"
    brackets = _CONTAINERS.get(kind)
    if brackets is None or (kind is set and not value):
        raise ValueError("no literal")
    items = ", ".join(literal_text(one, depth - 1) for one in value)
    comma = "," if kind is tuple and len(value) == 1 else ""
    return f"{brackets[0]}{items}{comma}{brackets[1]}"


def string_text(text: str) -> str:
    """Return text as a literal, in double quotes if it has none itself."""
    return _double_quoted(repr(text))


def _double_quoted(written: str) -> str:
    inner = written[1:-1]
    if written[0] == '"' or '"' in inner:
        return written
    return f'"{inner}"'


def docstring_lines(text: str, indentation: str) -> list[str]:
    """Return the lines of a docstring."""
    text = text.expandtabs().strip()
    last = '\\"' if text.endswith('"') else ""
    inner = text[:-1] if last else text
    escaped = "".join(map(_escaped, inner)).replace('"""', '\\"\\"\\"') + last
    first, *others = (line.rstrip() for line in escaped.split("\n"))
    if not others:
        return [f'{indentation}"""{first}"""']
    return [
        f'{indentation}"""{first}',
        *(f"{indentation}{line}" if line else "" for line in others),
        f'{indentation}"""',
    ]


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character == "\n" or character.isprintable():
        return character
    return character.encode("unicode_escape").decode()
