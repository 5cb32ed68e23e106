"""The classes that the annotations of something exposed name.

A server that says in a signature that it takes a ``Point`` wants to receive points: so
naming a dataclass, a NamedTuple or an enumeration there allows it to be built from
received data, as `register_class` does, for as long as the class exists.
"""

from __future__ import annotations

import functools
import inspect
import logging
import sys
import typing
from dataclasses import is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from ..serializers.allowed import allow_class, is_named_tuple, is_record
from .exposure import is_private_name
from .members import members_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["allow_annotated_classes"]

_logger = logging.getLogger("pyro.contract")

_done: Final[WeakSet[type]] = WeakSet()


def allow_annotated_classes(
    clazz: type, *, all_public: bool = False, again: bool = False
) -> None:
    """Allow received data to build the classes that a contract names.

    Looked at are the parameters and results of methods, the attributes, what stands
    within ``list[...]``, ``X | None``, ``Annotated[...]`` and the like, and the fields
    of the dataclasses, NamedTuples and TypedDicts found. An annotation that cannot be
    resolved, such as a name that is imported for type checking only, is left out, which
    is logged at the level debug.

    Args:
        clazz: the class of an object that is served, or an interface.
        all_public: whether all that has a public name counts, rather than what is
            exposed: for an interface that a client uses.
        again: whether a class that was looked at before has changed since.
    """
    if all_public:
        found = _public(clazz)
    elif clazz in _done and not again:
        return
    else:
        _done.add(clazz)
        found = _exposed(clazz)
    seen: set[int] = set()
    for annotation in found:
        _allow(annotation, seen)


def _exposed(clazz: type) -> Iterator[object]:
    members = members_of(clazz)
    for method in members.methods.values():
        yield from _hints_of_member(method.descriptor)
    for attribute in members.attributes.values():
        yield from _hints_of_member(attribute.descriptor)


def _public(clazz: type) -> Iterator[object]:
    for name in dir(clazz):
        if not is_private_name(name):
            yield from _hints_of_member(inspect.getattr_static(clazz, name, None))
    yield from _hints(clazz)


def _hints_of_member(member: Any) -> Iterator[object]:
    if isinstance(member, staticmethod | classmethod):
        member = member.__func__
    elif isinstance(member, functools.cached_property):
        member = member.func
    accessors: tuple[Any, ...] = (member,)
    if isinstance(member, property):
        accessors = (member.fget, member.fset, member.fdel)
    for accessor in accessors:
        if callable(accessor) and not isinstance(accessor, type):
            yield from _hints(accessor)


def _hints(target: Any) -> Iterator[object]:
    """Yield the annotations of a function or class that can be resolved."""
    try:
        yield from typing.get_type_hints(target, include_extras=True).values()
    except Exception as error:  # noqa: BLE001 - an annotation may be anything
        _logger.debug("cannot resolve all annotations of %r: %s", target, error)
    else:
        return
    for part in target.__mro__ if isinstance(target, type) else (target,):
        yield from _single_hints(part)


def _single_hints(target: Any) -> Iterator[object]:
    # Some parts of builtin classes are in no module.
    module = getattr(target, "__module__", None) or typing.__name__
    names = vars(sys.modules.get(module, typing))
    try:
        annotations = inspect.get_annotations(target)
    except Exception as error:  # noqa: BLE001 - Python 3.14 evaluates them here
        _logger.debug("cannot read the annotations of %r: %s", target, error)
        return
    for name, annotation in annotations.items():

        def holder() -> None: ...

        holder.__annotations__ = {name: annotation}
        try:
            hints = typing.get_type_hints(holder, names, include_extras=True)
        except Exception as error:  # noqa: BLE001 - an annotation may be anything
            _logger.debug("cannot resolve annotation %r: %s", annotation, error)
        else:
            yield from hints.values()


def _allow(annotation: Any, seen: set[int]) -> None:
    """Allow the classes in an annotation, and in the fields of those."""
    if id(annotation) in seen:
        return
    seen.add(id(annotation))
    if isinstance(annotation, list | tuple):
        parts: Iterator[object] = iter(annotation)
    elif isinstance(annotation, Enum):
        # It is a value in a Literal.
        parts = iter([type(annotation)])
    elif isinstance(annotation, type) and typing.get_origin(annotation) is None:
        if is_record(annotation):
            allow_class(annotation)
        has_fields = (
            is_dataclass(annotation)
            or is_named_tuple(annotation)
            or typing.is_typeddict(annotation)
        )
        parts = _hints(annotation) if has_fields else iter(())
    else:
        parts = _parts(annotation)
    for part in parts:
        _allow(part, seen)


def _parts(annotation: Any) -> Iterator[object]:
    yield typing.get_origin(annotation)
    yield from typing.get_args(annotation)
    # Of an alias, a new type or a type variable.
    for name in ("__value__", "__supertype__", "__bound__"):
        yield getattr(annotation, name, None)
    yield from getattr(annotation, "__constraints__", ())
