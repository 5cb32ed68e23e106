"""What a class, or one object, has under a name: a method, or an attribute."""

from __future__ import annotations

import difflib
import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, Final

from .exposure import may_be_exposed
from .lookup import (
    MISSING,
    ByName,
    annotated_names,
    class_member,
    has_mark,
    instance_namespace,
    is_inert,
    names_of_class,
)
from .members import Attribute, Method

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Target"]

# Called with the instance first, as they are: no need to bind them for each call.
_DIRECT: Final = (
    types.FunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
# They cannot be called themselves, but what they give can.
_BINDING: Final = (functools.partialmethod, functools.singledispatchmethod)


class Target:
    """A class of which members are looked for, or one object of it.

    A name is found where Python would find it, but nothing is run for that. What an
    attribute says of being readable and writable is what is possible with it.

    Args:
        clazz: the class.
        instance: the object; None for any instance of the class.
        weak: whether what is found must not keep the object alive.

    Attributes:
        own_used: whether something was found that only this object has.
    """

    def __init__(
        self, clazz: type, instance: object = None, *, weak: bool = False
    ) -> None:
        self._class = clazz
        self._any_instance = instance is None
        self._weak = weak
        self._own: Mapping[Any, Any] = {}
        if instance is not None:
            self._own = instance_namespace(instance)
        self._takes_values = class_member(clazz, "__dict__") is not MISSING
        self.own_used: bool = False

    def __str__(self) -> str:
        return f"{self._class.__module__}.{self._class.__qualname__}"

    def find(self, name: str) -> Method | Attribute | None:
        """Return what there is under a name, None if there is nothing.

        Raises:
            AttributeError: what is there can be neither called, read nor written.
        """
        found = self._find(name)
        if isinstance(found, Attribute) and name.startswith("__"):
            raise AttributeError(
                f"{name!r} of {self} is not a method; of what has a special name only "
                "methods can be exposed"
            )
        return found

    def near(self, name: str) -> str | None:
        """Return the name that is there and most like one that is not."""
        known = {*names_of_class(self._class), *annotated_names(self._class)}
        known.update(one for one in self._own if isinstance(one, str))
        near = difflib.get_close_matches(name, filter(may_be_exposed, known), n=1)
        return near[0] if near else None

    def suggest(self, name: str) -> str:
        """Return the end of a message about a name that is not there."""
        near = self.near(name)
        if near is not None:
            return f"; did you mean {near!r}?"
        if self._any_instance and self._takes_values:
            return (
                "; what only its instances have is known if the class or an interface"
                " annotates it"
            )
        return ""

    def assigned_later(self, name: str) -> Attribute | None:
        """Return an attribute that instances may be given when they are made.

        Of a class that is all that can be said of names it does not have.
        """
        if self._any_instance and self._takes_values:
            return self._value(name, None)
        return None

    def _find(self, name: str) -> Method | Attribute | None:
        member = class_member(self._class, name)
        # Python looks for special methods in the class only.
        if (
            name in self._own
            and not name.startswith("__")
            and not inspect.isdatadescriptor(member)
        ):
            self.own_used = True
            value = self._own[name]
            return self._by_name(name, value, None if self._weak else value)
        if member is MISSING:
            owner = annotated_names(self._class).get(name)
            return None if owner is None else self._value(name, owner)
        if inspect.isclass(member) or not hasattr(type(member), "__get__"):
            return self._by_name(name, member, member)
        if isinstance(member, _BINDING) or (
            callable(_unbound(member)) and not inspect.isdatadescriptor(member)
        ):
            return _method(name, member, member, member)
        return _described(name, member)

    def _by_name(self, name: str, value: Any, declaration: Any) -> Method | Attribute:
        if inspect.isclass(value):
            raise AttributeError(f"{name!r} of {self} is a class, and is not exposed")
        if callable(value):
            known = declaration is not None and is_inert(value)
            shown = staticmethod(value) if known else None
            return _method(name, value, ByName(name), shown)
        return self._value(name, annotated_names(self._class).get(name))

    def _value(self, name: str, owner: type | None) -> Attribute:
        return Attribute(
            name,
            ByName(name),
            readable=True,
            writable=self._takes_values,
            declaration=owner,
        )


def _described(name: str, descriptor: Any) -> Attribute:
    if isinstance(descriptor, property):
        readable, writable = descriptor.fget is not None, descriptor.fset is not None
    else:
        # Whether one written in C can be written to, only trying would tell. One
        # that only has a getter, such as a cached property, cannot.
        kind = type(descriptor)
        readable, writable = hasattr(kind, "__get__"), hasattr(kind, "__set__")
    return Attribute(
        name,
        descriptor,
        readable=readable,
        writable=writable,
        declaration=descriptor,
    )


def _unbound(member: Any) -> Any:
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    return member


def _method(name: str, member: Any, descriptor: Any, declaration: Any) -> Method:
    function = _unbound(member)
    return Method(
        name=name,
        function=descriptor if type(descriptor) in _DIRECT else None,
        descriptor=descriptor,
        oneway=has_mark(function, "_pyroOneway"),
        callback=has_mark(function, "_pyroCallback"),
        coroutine=is_inert(function) and inspect.iscoroutinefunction(function),
        declaration=declaration,
        idempotent=has_mark(function, "_pyroIdempotent"),
    )
