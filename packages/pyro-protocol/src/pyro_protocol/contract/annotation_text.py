"""Annotations as text that means the same in every module.

A class is written with its module, as in ``datetime.datetime``, so that a stub, or a
schema, can be made of it without knowing what the module that was described imports.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

__all__ = ["ANNOTATION_LIMIT", "ANY", "AnnotationWriter", "qualified_name"]

ANNOTATION_LIMIT: Final = 2_000
"""How many characters the text of an annotation may have; a longer one is `ANY`. The
longest that people write are unions of some twenty classes."""

ANY: Final = "typing.Any"
"""What is written where nothing more is known."""

_NESTING_LIMIT: Final = 50
_UNIONS: Final = (typing.Union, types.UnionType)
# They say something about a variable, not about its values.
_WRAPPERS: Final = frozenset(
    {"ClassVar", "Final", "InitVar", "NotRequired", "ReadOnly", "Required"}
)
_SIMPLE: Final[tuple[tuple[Any, Callable[[Any], str]], ...]] = (
    (str, str),
    (type(None), str),
    (type(...), lambda _: "..."),
    (typing.ForwardRef, lambda reference: reference.__forward_arg__),
    (typing.ParamSpec, lambda _: "..."),
)
_PLAIN: Final = (bool, bytes, int, str, type(None))


class AnnotationWriter:
    """Writes annotations, and keeps the classes and aliases that they name.

    Attributes:
        named: what was named, by the text that stands for it.
    """

    def __init__(self) -> None:
        self.named: dict[str, Any] = {}

    def write(self, annotation: Any) -> str:
        """Return the text of an annotation, resolved or not."""
        try:
            text = self._write(annotation, _NESTING_LIMIT)
        except Exception:  # noqa: BLE001 - an annotation may be anything
            return ANY
        return text if len(text) <= ANNOTATION_LIMIT else ANY

    def _write(self, annotation: Any, depth: int) -> str:
        if not depth:
            raise RecursionError
        if isinstance(annotation, list):
            return self._several(annotation, depth)
        origin = typing.get_origin(annotation)
        if origin is not None:
            return self._generic(annotation, origin, depth)
        for kind, write in _SIMPLE:
            if isinstance(annotation, kind):
                return write(annotation)
        if isinstance(annotation, type) or _is_alias(annotation):
            return self._named(annotation)
        if isinstance(annotation, typing.TypeVar):
            return self._variable(annotation, depth)
        return _special(annotation)

    def _several(self, annotations: Any, depth: int) -> str:
        return f"[{', '.join(self._write(one, depth - 1) for one in annotations)}]"

    def _generic(self, annotation: Any, origin: Any, depth: int) -> str:
        arguments = typing.get_args(annotation)
        if origin in _UNIONS:
            return " | ".join(self._write(one, depth - 1) for one in arguments)
        if origin is typing.Annotated or getattr(origin, "_name", "") in _WRAPPERS:
            return self._write(arguments[0], depth - 1)
        if origin is typing.Literal:
            return f"typing.Literal[{', '.join(map(self._literal, arguments))}]"
        text = self._write(origin, depth - 1)
        if not arguments:
            # Tuples of no items have no arguments, as other types that were given none.
            empty = type(annotation) is types.GenericAlias and origin is tuple
            return f"{text}[()]" if empty else text
        if origin is Callable:
            *parameters, result = arguments
            if isinstance(parameters[0], list):
                listed = self._several(parameters[0], depth)
            else:
                listed = self._write(parameters[0], depth - 1)
            return f"{text}[{listed}, {self._write(result, depth - 1)}]"
        return text + self._several(arguments, depth)

    def _literal(self, value: Any) -> str:
        if isinstance(value, Enum):
            return f"{self._named(type(value))}.{value._name_}"
        if type(value) not in _PLAIN:
            raise TypeError("not a literal")
        return repr(value)

    def _variable(self, variable: typing.TypeVar, depth: int) -> str:
        choices = variable.__constraints__ or (variable.__bound__ or Any,)
        return " | ".join(self._write(one, depth - 1) for one in choices)

    def _named(self, named: Any) -> str:
        if named is type(None):
            return "None"
        text = qualified_name(named)
        self.named.setdefault(text, named)
        return text


def _is_alias(annotation: Any) -> bool:
    return hasattr(annotation, "__supertype__") or hasattr(annotation, "__value__")


def _special(form: Any) -> str:
    """Return the text of what has no parts, such as ``typing.Self``."""
    name = getattr(form, "_name", None)
    if type(form).__module__ != "typing" or not isinstance(name, str):
        return ANY
    return ANY if name in _WRAPPERS else f"typing.{name}"


def qualified_name(named: Any) -> str:
    """Return what a class, a function or an alias is called, with its module."""
    name = getattr(named, "__qualname__", None) or named.__name__
    module = named.__module__
    return str(name) if module in ("builtins", None) else f"{module}.{name}"
