"""The classes that may be built from received data, and what they are called.

A class travels as its name and the values of its fields. The receiver builds it only
if it has allowed the class: with `register_class`, or by naming it in an annotation of
something exposed. All else that a peer may name is never looked up, let alone run.

On the wire a class is called ``module.Class``, with the names of the classes around it
in between; or what it was registered as. A class of the program that was started is
called after ``__main__``, unless Python knows the module by its name because it was
started with ``python -m``: both sides have to call it the same, so give such a class a
name, or keep it in a module that both import.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload
from weakref import WeakKeyDictionary, WeakValueDictionary

from .codec import type_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "allow_class",
    "allowed_class",
    "class_name",
    "class_text",
    "is_dataclass_type",
    "is_named_tuple",
    "is_record",
    "register_class",
    "unregister_class",
]

C = TypeVar("C", bound=type)

_registered: Final[dict[str, type]] = {}
# An annotation must not keep a class alive that is made while the program runs.
_annotated: Final[WeakValueDictionary[str, type]] = WeakValueDictionary()
_names: Final[WeakKeyDictionary[type, str]] = WeakKeyDictionary()


@overload
def register_class(clazz: C, name: str | None = None) -> C: ...
@overload
def register_class(clazz: None = None, name: str | None = None) -> Callable[[C], C]: ...
def register_class(
    clazz: C | None = None, name: str | None = None
) -> C | Callable[[C], C]:
    """Allow received data to build a class; also to be used as a decorator.

    Its objects keep their class between peers that use the native serializer, and
    dataclasses also if they come from other peers. The class is kept until
    `unregister_class`. A converter registered for the class or its name comes first.

    Args:
        clazz: a dataclass, a NamedTuple, an enumeration or an exception. As a
            decorator it goes above all others.
        name: what the class is called on the wire, the same on both sides; without
            it, its module and name.

    Raises:
        TypeError: it is a class of another kind.
        ValueError: another class is registered with this name.
    """
    if clazz is None:
        return lambda decorated: register_class(decorated, name)
    _check_kind(clazz)
    wire_name = name or class_name(clazz)
    other = _registered.get(wire_name)
    if other is not None and other is not clazz and not _is_new_version(clazz, other):
        raise ValueError(
            f"{type_name(other)} is registered as {wire_name!r}; give"
            f" {type_name(clazz)} another name"
        )
    unregister_class(clazz)
    _registered[wire_name] = clazz
    if name is None:
        # Pyro5 leaves out the classes around it.
        _registered.setdefault(class_text(clazz), clazz)
    else:
        _names[clazz] = name
    return clazz


def _is_new_version(clazz: type, other: type) -> bool:
    """Tell whether a module has been loaded again."""
    return type_name(clazz) == type_name(other)


def unregister_class(clazz: type) -> None:
    """Do not build a class any more, however it came to be allowed."""
    for names in (_registered, _annotated):
        for name in [name for name, one in list(names.items()) if one is clazz]:
            del names[name]
    _names.pop(clazz, None)


def allow_class(clazz: type) -> None:
    """Allow received data to build a class for as long as somebody else keeps it.

    Raises:
        TypeError: it is not a dataclass, a NamedTuple, an enumeration or an
            exception.
    """
    _check_kind(clazz)
    # The last is what descriptions of objects call it.
    described = f"{clazz.__module__}.{clazz.__qualname__}"
    for name in (class_name(clazz), class_text(clazz), described):
        _annotated[name] = clazz


def allowed_class(name: str) -> type | None:
    """Return the class that may be built for a name on the wire, if there is one."""
    clazz = _registered.get(name)
    return _annotated.get(name) if clazz is None else clazz


def class_name(clazz: type) -> str:
    """Return what a class is called on the wire."""
    name = _names.get(clazz) if _names else None
    if name is not None:
        return name
    module = clazz.__module__
    if module == "__main__":
        specification = getattr(sys.modules.get(module), "__spec__", None)
        module = getattr(specification, "name", module)
    return f"{module}.{clazz.__qualname__}"


def class_text(clazz: type) -> str:
    """Return what Pyro5 calls a class."""
    return f"{clazz.__module__}.{clazz.__name__}"


def is_named_tuple(clazz: type) -> bool:
    """Tell whether a class is a NamedTuple, or derived from one."""
    return issubclass(clazz, tuple) and isinstance(
        getattr(clazz, "_fields", None), tuple
    )


def is_dataclass_type(clazz: type) -> bool:
    """Tell whether a class is a dataclass, as ``dataclasses.is_dataclass`` does."""
    return hasattr(clazz, "__dataclass_fields__")


def is_record(clazz: Any) -> bool:
    """Tell whether this is a class that travels by its fields, or an enumeration."""
    return isinstance(clazz, type) and (
        issubclass(clazz, Enum) or is_named_tuple(clazz) or is_dataclass_type(clazz)
    )


def _check_kind(clazz: object) -> None:
    if is_record(clazz):
        return
    if isinstance(clazz, type) and issubclass(clazz, Exception):
        return
    raise TypeError(
        "only a dataclass, a NamedTuple, an enumeration or an exception can travel"
        f" without a converter, not {clazz!r}; for other classes there are"
        " register_class_to_dict and register_dict_to_class"
    )
