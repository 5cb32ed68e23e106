"""Members found without running any code of the class or the object."""

from __future__ import annotations

import inspect
import sys
import types
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = [
    "MISSING",
    "ByName",
    "annotated_names",
    "class_member",
    "has_mark",
    "instance_namespace",
    "is_inert",
    "names_of_class",
    "own_annotations",
    "own_namespace",
]

MISSING: Final = object()
"""What stands for a member that is not there."""

# Taken from `type` itself, so that no metaclass is asked.
_bases_of: Final = type.__dict__["__mro__"].__get__
_namespace_of: Final = type.__dict__["__dict__"].__get__
# Another ``__dict__`` is a property of the program, which would run.
_REAL_NAMESPACES: Final = (types.GetSetDescriptorType, types.MemberDescriptorType)


class ByName:
    """A member that is looked up on the instance when it is used.

    It stands for what an instance holds in itself, and for plain values of its class.
    Python's own rules apply then, so a class sees all access to its instances.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name: str = name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return getattr(instance, self.name)

    def __set__(self, instance: object, value: object) -> None:
        setattr(instance, self.name, value)


def own_namespace(clazz: type) -> Mapping[str, Any]:
    """Return what a class itself defines."""
    namespace: Mapping[str, Any] = _namespace_of(clazz)
    return namespace


def class_member(clazz: type, name: str) -> Any:
    """Return what a class or its bases have under a name, else `MISSING`."""
    for base in _bases_of(clazz):
        namespace = _namespace_of(base)
        if name in namespace:
            return namespace[name]
    return MISSING


def names_of_class(clazz: type, *, without: Collection[type] = ()) -> set[str]:
    """Return the names that a class and its bases define.

    Args:
        clazz: the class.
        without: bases that do not count.
    """
    bases = [base for base in _bases_of(clazz) if base not in without]
    return set().union(*map(_namespace_of, bases))


def instance_namespace(instance: object) -> Mapping[str, Any]:
    """Return what an object holds in its ``__dict__``, if it has one."""
    descriptor = class_member(type(instance), "__dict__")
    if not isinstance(descriptor, _REAL_NAMESPACES):
        return {}
    namespace: Mapping[str, Any] = descriptor.__get__(instance, type(instance)) or {}
    return namespace


def own_annotations(target: Any) -> Mapping[str, Any]:
    """Return the annotations of a class, without its bases, or of a function.

    They are as they were written: text may be among them.
    """
    try:
        if sys.version_info >= (3, 14):
            import annotationlib  # noqa: PLC0415 - not there before

            return annotationlib.get_annotations(
                target, format=annotationlib.Format.FORWARDREF
            )
        return inspect.get_annotations(target)
    except Exception:  # noqa: BLE001 - an annotation may be anything
        return {}


def annotated_names(clazz: type, *, without: Collection[type] = ()) -> dict[str, type]:
    """Return the names that a class annotates, each with the class where it does.

    Args:
        clazz: the class, whose bases are looked at as well.
        without: bases that do not count.
    """
    found: dict[str, type] = {}
    for base in reversed(_bases_of(clazz)):
        if base not in without:
            found.update(dict.fromkeys(own_annotations(base), base))
    return found


def is_inert(function: object) -> bool:
    """Whether what can be called can also be asked about, and no code runs for that.

    It can if it is a function, or written in C, rather than an object of the program.
    """
    kind = type(function)
    return not any(
        isinstance(class_member(kind, name), types.FunctionType)
        for name in ("__call__", "__getattr__", "__getattribute__")
    )


def has_mark(target: object, mark: str) -> bool:
    """Whether a decorator has left a mark on a function."""
    return instance_namespace(target).get(mark) is True
