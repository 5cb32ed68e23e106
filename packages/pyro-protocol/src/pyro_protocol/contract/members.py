"""Members: what one class offers, worked out once per class."""

from __future__ import annotations

import functools
import inspect
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from .exposure import InstanceMode, is_private_name

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Attribute",
    "InstanceMode",
    "Members",
    "Method",
    "members_of",
    "reset_members",
]


@dataclass(frozen=True, slots=True)
class Method:
    """An exposed method.

    Attributes:
        name: its name.
        function: for a plain method the function, to be called with the instance
            first; else None, and the method is looked up on the class.
        descriptor: what the class has under that name.
        oneway: whether callers do not wait for it.
        callback: whether its exceptions are also reported on the server.
    """

    name: str
    function: Callable[..., Any] | None
    descriptor: Any
    oneway: bool
    callback: bool

    def bind(self, instance: object) -> Callable[..., Any]:
        """Return the method bound to an instance of the class."""
        bound = self.descriptor.__get__(instance, type(instance))
        return cast("Callable[..., Any]", bound)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An exposed property, or another data descriptor.

    Attributes:
        name: its name.
        descriptor: what the class has under that name.
        readable: whether its getter is exposed.
        writable: whether its setter is exposed.
    """

    name: str
    descriptor: Any
    readable: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class Members:
    """Everything a class offers to remote callers.

    Attributes:
        methods: exposed methods by name.
        attributes: exposed attributes by name.
        instance_mode: how instances are made when the class is registered.
        instance_creator: what makes them, or None to call the class.
    """

    methods: dict[str, Method]
    attributes: dict[str, Attribute]
    instance_mode: InstanceMode
    instance_creator: Callable[[Any], Any] | None

    def metadata(self) -> dict[str, set[str]]:
        """Return the names in the form in which the handshake carries them."""
        return {
            "methods": set(self.methods),
            "oneway": {name for name, one in self.methods.items() if one.oneway},
            "attrs": set(self.attributes),
        }


_cache: weakref.WeakKeyDictionary[type, Members] = weakref.WeakKeyDictionary()


def members_of(clazz: type) -> Members:
    """Return what a class offers; the answer is kept until `reset_members`."""
    members = _cache.get(clazz)
    if members is None:
        members = _cache[clazz] = _find_members(clazz)
    return members


def reset_members(clazz: type) -> None:
    """Forget what a class offers, after it was changed."""
    _cache.pop(clazz, None)


def _find_members(clazz: type) -> Members:
    methods: dict[str, Method] = {}
    attributes: dict[str, Attribute] = {}
    for name in dir(clazz):
        if is_private_name(name):
            continue
        # Looked up without triggering descriptors: finding out what a class
        # offers must not run its code.
        member = inspect.getattr_static(clazz, name, None)
        if isinstance(member, functools.cached_property):
            if _marked(member.func):
                attributes[name] = Attribute(
                    name, member, readable=True, writable=False
                )
        elif inspect.isdatadescriptor(member):
            attribute = _attribute(name, member)
            if attribute is not None:
                attributes[name] = attribute
        else:
            method = _method(name, member)
            if method is not None:
                methods[name] = method
    mode: InstanceMode
    mode, creator = getattr(clazz, "_pyroInstancing", ("session", None))
    return Members(methods, attributes, mode, creator)


def _marked(target: Any) -> bool:
    return getattr(target, "_pyroExposed", False) is True


def _attribute(name: str, descriptor: Any) -> Attribute | None:
    readable = _marked(getattr(descriptor, "fget", None))
    writable = _marked(getattr(descriptor, "fset", None))
    if not readable and not writable:
        return None
    return Attribute(name, descriptor, readable, writable)


def _method(name: str, member: Any) -> Method | None:
    function = member
    if isinstance(member, staticmethod | classmethod):
        function = member.__func__
    if (
        inspect.isclass(function)
        or not _marked(function)
        or not callable(function)
        or not hasattr(member, "__get__")
    ):
        return None
    return Method(
        name=name,
        function=member if inspect.isfunction(member) else None,
        descriptor=member,
        oneway=getattr(function, "_pyroOneway", False) is True,
        callback=getattr(function, "_pyroCallback", False) is True,
    )
