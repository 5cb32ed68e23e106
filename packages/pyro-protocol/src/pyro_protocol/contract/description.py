"""The description of what an object offers, for tools that never saw its class.

Stubs, proxies that explain themselves and the schemas of a gateway are made of it. It
is plain data that every serializer carries; docs/protocol.md has its format. Making it
runs no code of the program, but what annotations that are written as text need to be
resolved, and never fails: what cannot be found out is left open.
"""

from __future__ import annotations

import functools
import inspect
import types
import typing
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Final

from .annotation_text import AnnotationWriter
from .hints import hints_of
from .lookup import (
    MISSING,
    class_member,
    instance_namespace,
    is_inert,
    own_annotations,
)
from .type_descriptions import describe_types, docstring
from .values import describe_value

if TYPE_CHECKING:
    from .members import Attribute, Members, Method

__all__ = ["DESCRIPTION_VERSION", "describe_members"]

DESCRIPTION_VERSION: Final = 1
"""It becomes another one when a reader of this one would be misled."""

_KINDS: Final = {
    inspect.Parameter.POSITIONAL_ONLY: "positional_only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional_or_keyword",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword_only",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}
_VARIABLE: Final = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_STREAMS: Final = frozenset({"__iter__", "__reversed__", "__aiter__"})
# Of an object that has its own docstring; other objects only show that of their class.
_DOCSTRINGS: Final = (types.GetSetDescriptorType, types.MemberDescriptorType)

_cache: weakref.WeakKeyDictionary[Members, dict[str, Any]] = weakref.WeakKeyDictionary()


def describe_members(members: Members, clazz: type) -> dict[str, Any]:
    """Return the description of what a class or an object offers.

    It is worked out once, and must not be changed.

    Args:
        members: what is offered.
        clazz: the class, or the interface, that the members are of.
    """
    found = _cache.get(members)
    if found is None:
        found = _cache[members] = _describe(members, clazz)
    return found


def _describe(members: Members, clazz: type) -> dict[str, Any]:
    writer = AnnotationWriter()
    methods = [
        _describe_method(members.methods[name], clazz, writer)
        for name in sorted(members.methods)
    ]
    attributes = [
        _describe_attribute(members.attributes[name], writer)
        for name in sorted(members.attributes)
    ]
    module: object = clazz.__module__
    return {
        "version": DESCRIPTION_VERSION,
        "class": clazz.__qualname__,
        "module": module if isinstance(module, str) else None,
        "doc": docstring(class_member(clazz, "__doc__")),
        "methods": methods,
        "attributes": attributes,
        "types": describe_types(writer),
    }


def _describe_method(
    method: Method, clazz: type, writer: AnnotationWriter
) -> dict[str, Any]:
    function, first_is_bound = _function_of(method.declaration, clazz)
    signature = _signature_of(function)
    hints: dict[str, Any] = {}
    returned: Any = MISSING
    parameters = None
    if signature is not None:
        hints = hints_of(_innermost(function))
        if signature.return_annotation is not signature.empty:
            returned = hints.get("return", signature.return_annotation)
        parameters = list(signature.parameters.values())
        if first_is_bound and parameters and parameters[0].kind not in _VARIABLE:
            del parameters[0]
    return {
        "name": method.name,
        "kind": _kind_of(method, function, returned),
        "async": method.coroutine or inspect.isasyncgenfunction(function),
        "idempotent": method.idempotent,
        "parameters": None
        if parameters is None
        else [_describe_parameter(one, hints, writer) for one in parameters],
        "returns": None if returned is MISSING else writer.write(returned),
        "doc": _doc_of(function),
    }


def _function_of(declaration: Any, clazz: type) -> tuple[Any, bool]:
    """Return the function of a declaration, and whether it is given what it is of.

    Of a method that is a callable object of the program there is none, since asking it
    for anything could run its code.
    """
    bound = True
    if isinstance(declaration, staticmethod):
        declaration, bound = declaration.__func__, False
    elif isinstance(declaration, classmethod):
        declaration = declaration.__func__
    elif isinstance(declaration, types.ClassMethodDescriptorType):
        declaration, bound = declaration.__get__(None, clazz), False
    if isinstance(declaration, functools.partialmethod):
        return _partial(declaration)
    if isinstance(declaration, functools.singledispatchmethod):
        return _function_of(declaration.func, clazz)
    if not is_inert(declaration):
        return None, bound
    return declaration, bound


def _partial(method: functools.partialmethod[Any]) -> tuple[Any, bool]:
    """Return a function with the arguments that are not given yet.

    Its first parameter has to be skipped by `functools.partial`, which binds from the
    left, so what is there for the instance is bound as well.
    """
    function = method.func
    if not is_inert(function):
        return None, False
    return functools.partial(function, None, *method.args, **method.keywords), False


def _signature_of(function: Any) -> inspect.Signature | None:
    if function is None:
        return None
    try:
        return inspect.signature(function)
    except Exception:  # noqa: BLE001 - many functions in C have none
        return None


def _kind_of(method: Method, function: Any, returned: Any) -> str:
    """Return what a caller gets: nothing, a stream, or a value."""
    if method.oneway:
        return "oneway"
    if method.name in _STREAMS:
        return "stream"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "stream"
    form = typing.get_origin(returned) or returned
    try:
        is_stream = isinstance(form, type) and issubclass(
            form, Iterator | AsyncIterator
        )
    except Exception:  # noqa: BLE001 - a class may answer in any way
        is_stream = False
    return "stream" if is_stream else "method"


def _describe_parameter(
    parameter: inspect.Parameter, hints: dict[str, Any], writer: AnnotationWriter
) -> dict[str, Any]:
    empty = parameter.empty
    annotation = hints.get(parameter.name, parameter.annotation)
    description: dict[str, Any] = {
        "name": parameter.name,
        "kind": _KINDS[parameter.kind],
        "annotation": None if annotation is empty else writer.write(annotation),
        "required": parameter.default is empty and parameter.kind not in _VARIABLE,
        "default": None,
    }
    if parameter.default is not empty:
        description.update(describe_value(parameter.default))
    return description


def _describe_attribute(
    attribute: Attribute, writer: AnnotationWriter
) -> dict[str, Any]:
    declaration = attribute.declaration
    text = doc = None
    if isinstance(declaration, type):
        name = attribute.name
        annotation = hints_of(declaration).get(
            name, own_annotations(declaration).get(name, MISSING)
        )
        text = None if annotation is MISSING else writer.write(annotation)
    else:
        text = _annotation_of(declaration, writer)
        doc = _doc_of(declaration)
    return {
        "name": attribute.name,
        "readable": attribute.readable,
        "writable": attribute.writable,
        "annotation": text,
        "doc": doc,
    }


def _annotation_of(descriptor: Any, writer: AnnotationWriter) -> str | None:
    """Return the annotation of what a getter returns, or else a setter takes."""
    getter = setter = None
    if isinstance(descriptor, functools.cached_property):
        getter = descriptor.func
    elif isinstance(descriptor, property):
        getter, setter = descriptor.fget, descriptor.fset
    function = _innermost(setter if getter is None else getter)
    if not isinstance(function, types.FunctionType):
        return None
    written = {**own_annotations(function), **hints_of(function)}
    returned = written.pop("return", MISSING)
    if getter is None:
        returned = next(reversed(written.values()), MISSING)
    return None if returned is MISSING else writer.write(returned)


def _innermost(function: Any) -> Any:
    """Return the function within decorators and partial objects."""
    while isinstance(function, functools.partial):
        function = function.func
    try:
        return inspect.unwrap(function)
    except ValueError:
        # It is wrapped in itself.
        return function


def _doc_of(function: Any) -> str | None:
    own = instance_namespace(function).get("__doc__")
    descriptor = class_member(type(function), "__doc__")
    if own is None and isinstance(descriptor, _DOCSTRINGS):
        own = descriptor.__get__(function, type(function))
    return docstring(own)
