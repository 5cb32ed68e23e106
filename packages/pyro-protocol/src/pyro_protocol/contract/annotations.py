"""The classes that the annotations of something exposed name.

A server that says in a signature that it takes a ``Point`` wants to receive points: so
naming a dataclass, a NamedTuple or an enumeration there allows it to be built from
received data, as `register_class` does, for as long as the class exists.
"""

from __future__ import annotations

import functools
import inspect
import typing
from dataclasses import is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from ..serializers.allowed import allow_class, is_named_tuple, is_record
from .exposure import is_private_name
from .hints import hints_of
from .members import members_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .members import Members

__all__ = ["allow_annotated_classes", "allow_classes_of"]

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
        _allow_all(_public(clazz))
    elif clazz not in _done or again:
        _done.add(clazz)
        allow_classes_of(members_of(clazz))


def allow_classes_of(members: Members) -> None:
    """Allow received data to build the classes that members name, as above."""
    _allow_all(_exposed(members))


def _allow_all(annotations: Iterable[object]) -> None:
    # By identity, as not all have a hash. They are kept, so that no other comes to be
    # where one of them was.
    seen: dict[int, object] = {}
    for annotation in annotations:
        _allow(annotation, seen)


def _exposed(members: Members) -> Iterator[object]:
    for method in members.methods.values():
        yield from _hints_of_member(method.declaration)
    for attribute in members.attributes.values():
        declaration = attribute.declaration
        if isinstance(declaration, type):
            hint = hints_of(declaration).get(attribute.name)
            if hint is not None:
                yield hint
        else:
            yield from _hints_of_member(declaration)


def _public(clazz: type) -> Iterator[object]:
    for name in dir(clazz):
        if not is_private_name(name):
            yield from _hints_of_member(inspect.getattr_static(clazz, name, None))
    yield from hints_of(clazz).values()


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
            yield from hints_of(accessor).values()


def _allow(annotation: Any, seen: dict[int, object]) -> None:
    """Allow the classes in an annotation, and in the fields of those."""
    if id(annotation) in seen:
        return
    seen[id(annotation)] = annotation
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
        parts = iter(hints_of(annotation).values() if has_fields else ())
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
