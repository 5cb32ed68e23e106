"""The marks that say what may be called, and how: expose, oneway and others.

Nothing of a class is reachable unless it is marked, and a private name is never
reachable (spec: server, section 1).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar, get_args

__all__ = [
    "InstanceMode",
    "behavior",
    "callback",
    "expose",
    "idempotent",
    "is_private_name",
    "may_be_exposed",
    "oneway",
]

T = TypeVar("T")
C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])

InstanceMode = Literal["session", "single", "percall"]

_PRIVATE: Final = frozenset(
    [
        "__init__",
        "__init_subclass__",
        "__class__",
        "__module__",
        "__weakref__",
        "__call__",
        "__new__",
        "__del__",
        "__repr__",
        "__str__",
        "__format__",
        "__nonzero__",
        "__bool__",
        "__coerce__",
        "__cmp__",
        "__eq__",
        "__ne__",
        "__hash__",
        "__ge__",
        "__gt__",
        "__le__",
        "__lt__",
        "__dir__",
        "__enter__",
        "__exit__",
        "__copy__",
        "__deepcopy__",
        "__sizeof__",
        "__getattr__",
        "__setattr__",
        "__hasattr__",
        "__getattribute__",
        "__delattr__",
        "__instancecheck__",
        "__subclasscheck__",
        "__getinitargs__",
        "__getnewargs__",
        "__getstate__",
        "__setstate__",
        "__reduce__",
        "__reduce_ex__",
        "__subclasshook__",
    ]
)
_SHORTEST_SPECIAL: Final = 5
_CALLABLES: Final = (staticmethod, classmethod)
_CACHED: Final = type(functools.lru_cache(len))


def is_private_name(name: str) -> bool:
    """Whether a name can never be reached remotely.

    Names with a leading underscore are private, except special methods such as
    ``__len__`` that are not on the fixed list of forbidden ones.
    """
    if name in _PRIVATE:
        return True
    if not name.startswith("_"):
        return False
    special = (
        len(name) >= _SHORTEST_SPECIAL and name.startswith("__") and name.endswith("__")
    )
    return not special


def may_be_exposed(name: str) -> bool:
    """Whether a name can be reached if it is exposed by itself.

    That is every name which is not private, and ``__call__``: an object may be
    called for reasons that have nothing to do with remote callers, so exposing its
    class does not expose that, but naming it does.
    """
    return name == "__call__" or not is_private_name(name)


def expose(method_or_class: T) -> T:
    """Mark a method, a property or all public members of a class as reachable.

    On a class it marks the class's own public functions, class methods, static
    methods and properties; those of its base classes keep their own marks. On a
    property it marks the accessors the property has at that moment, so a getter
    marked alone does not make the setter reachable. ``__call__`` needs a mark of
    its own.

    Raises:
        AttributeError: the name is private, or the object cannot be exposed.
    """
    target: Any = method_or_class
    if isinstance(target, functools.cached_property):
        _refuse_private(target.func.__name__)
        _expose_member(target)
        return method_or_class
    if inspect.isdatadescriptor(target) and not inspect.isclass(target):
        accessors = _accessors(target)
        if not accessors:
            raise AttributeError(f"{target!r} cannot be exposed")
        for accessor in accessors:
            _refuse_private(accessor.__name__)
            accessor._pyroExposed = True
        return method_or_class
    if isinstance(target, _CALLABLES):
        raise AttributeError(
            f"put @expose below @{type(target).__name__}: it must be applied first"
        )
    name = getattr(target, "__name__", None)
    if name is None:
        raise AttributeError(f"{target!r} has no name and cannot be exposed")
    if inspect.isclass(target) or not may_be_exposed(name):
        _refuse_private(name)
    if inspect.isclass(target):
        for member_name, member in list(target.__dict__.items()):
            if not is_private_name(member_name):
                _expose_member(member)
    target._pyroExposed = True
    return method_or_class


def _expose_member(member: Any) -> None:
    """Mark one entry of a class that is being exposed, if it can be called."""
    if isinstance(member, _CALLABLES):
        member = member.__func__
    if inspect.isfunction(member) or isinstance(member, _CACHED):
        member._pyroExposed = True  # type: ignore[union-attr] # functions take attributes
    elif isinstance(member, functools.cached_property):
        _expose_member(member.func)
    elif isinstance(member, property):
        for accessor in _accessors(member):
            accessor._pyroExposed = True


def _accessors(descriptor: Any) -> list[Any]:
    names = ("fget", "fset", "fdel")
    found = (getattr(descriptor, name, None) for name in names)
    return [accessor for accessor in found if accessor is not None]


def _refuse_private(name: str) -> None:
    if is_private_name(name):
        raise AttributeError(f"exposing private names is not allowed: {name!r}")


def oneway(method: F) -> F:
    """Mark a method as one whose caller does not wait for it, nor for a result.

    Raises:
        AttributeError: applied to a property.
    """
    if isinstance(method, property):
        raise AttributeError("a property cannot be oneway")
    target: Any = method.__func__ if isinstance(method, _CALLABLES) else method
    target._pyroOneway = True
    return method


def idempotent(method: F) -> F:
    """Mark a method as one that may be run twice: the second time changes nothing.

    Clients that lose the connection during a call cannot know whether it was run. If
    they are told to try again, they do so with these methods only. Reading a property
    needs no mark. It exposes nothing: that is for `expose`.

    Raises:
        AttributeError: applied to a property.
    """
    if isinstance(method, property | functools.cached_property):
        raise AttributeError(
            "a property cannot be marked idempotent: reading it always is, setting it"
            " never"
        )
    target: Any = method.__func__ if isinstance(method, _CALLABLES) else method
    target._pyroIdempotent = True
    return method


def callback(method: F) -> F:
    """Mark a method as a callback: its exceptions are also reported where it runs.

    The caller gets them too. Without the mark only the caller would notice them,
    and the caller of a callback is rarely the one who can mend it.
    """
    target: Any = method.__func__ if isinstance(method, _CALLABLES) else method
    target._pyroCallback = True
    return method


def behavior(
    instance_mode: InstanceMode = "session",
    instance_creator: Callable[[Any], Any] | None = None,
) -> Callable[[C], C]:
    """Say how instances of a registered class are made.

    Args:
        instance_mode: ``"session"``, one instance for each connection;
            ``"single"``, one for all; ``"percall"``, a new one for every call.
        instance_creator: called with the class to make an instance; without it
            the class is called without arguments.

    Raises:
        SyntaxError: used without parentheses.
        ValueError: the instance mode does not exist.
        TypeError: the creator cannot be called, or the target is not a class.
    """
    if not isinstance(instance_mode, str):
        raise SyntaxError("behavior must be written with parentheses: @behavior(...)")
    if instance_mode not in get_args(InstanceMode):
        known = ", ".join(get_args(InstanceMode))
        raise ValueError(f"unknown instance mode {instance_mode!r}; known: {known}")
    if instance_creator is not None and not callable(instance_creator):
        raise TypeError("the instance creator must be callable")

    def mark(clazz: C) -> C:
        if not inspect.isclass(clazz):
            raise TypeError(f"behavior applies to classes, not to {clazz!r}")
        marked: Any = clazz
        marked._pyroInstancing = (instance_mode, instance_creator)
        return clazz

    return mark
