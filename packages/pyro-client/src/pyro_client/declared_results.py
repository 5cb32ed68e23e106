"""What a class says that its users get: a result, or something to await."""

from __future__ import annotations

import enum
import functools
import inspect
import re
import typing
from collections.abc import AsyncIterable, Awaitable
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.contract.hints import hints_of
from pyro_protocol.contract.lookup import own_annotations

if TYPE_CHECKING:
    from pyro_protocol.contract import Attribute, Method

__all__ = ["Result", "result_of"]

_TO_AWAIT: Final = re.compile(r"\b(Async\w+|Awaitable|Coroutine\w*)\b")


class Result(enum.Enum):
    """What the caller of a method, or the reader of an attribute, gets."""

    DIRECT = enum.auto()
    AWAITED = enum.auto()
    UNKNOWN = enum.auto()


def result_of(member: Method | Attribute) -> Result:
    """Return what users get of a member, as far as its declaration says."""
    declaration = member.declaration
    if isinstance(declaration, property):
        declaration = declaration.fget
    elif isinstance(declaration, functools.cached_property):
        declaration = declaration.func
    elif isinstance(declaration, staticmethod | classmethod):
        declaration = declaration.__func__
    elif isinstance(declaration, type):
        return _annotated(declaration, member.name)
    if inspect.iscoroutinefunction(declaration):
        return Result.AWAITED
    if not inspect.isfunction(declaration):
        return Result.UNKNOWN
    return _annotated(declaration, "return")


def _annotated(owner: Any, name: str) -> Result:
    written = own_annotations(owner)
    if name not in written:
        is_stream = inspect.isasyncgenfunction(owner)
        return Result.AWAITED if is_stream else Result.UNKNOWN
    annotation = hints_of(owner).get(name, written[name])
    if isinstance(annotation, str):
        # It cannot be resolved, such as a name that is imported for checkers only.
        return Result.AWAITED if _TO_AWAIT.search(annotation) else Result.DIRECT
    form = typing.get_origin(annotation) or annotation
    if form is Any:
        return Result.UNKNOWN
    awaited = isinstance(form, type) and issubclass(form, Awaitable | AsyncIterable)
    return Result.AWAITED if awaited else Result.DIRECT
