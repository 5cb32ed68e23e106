"""Views: what is reachable of objects whose classes carry no marks.

A class of a library, a builtin type or an extension written in C cannot be marked
with `expose`. A view says from outside what of it is reachable, either name by name,
or by an interface. Nothing is written onto the class or the object, and none of
their code runs while the members of a view are worked out.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from .annotations import allow_classes_of
from .concurrency import add_passages
from .exposure import may_be_exposed
from .interfaces import declared_members
from .lookup import MISSING, class_member
from .members import Attribute, Members, Method, reset_members
from .targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .exposure import InstanceMode

__all__ = ["View", "forget_views", "view_of"]

_VIEWS_LIMIT: Final = 100
"""How many views of one class are remembered. Programs have a few; one that makes
another interface for every object must not fill the memory."""

_cache: weakref.WeakKeyDictionary[type, dict[View, Members]] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True, slots=True)
class View:
    """What is reachable of an object, said from outside its class.

    Attributes:
        names: the names that can be called or read; not used with an interface.
        writable: the names of attributes that can be written; likewise.
        interface: the class whose members are reachable, or None.
        idempotent: the names of methods that may be run twice; not used with an
            interface either.
    """

    names: frozenset[str]
    writable: frozenset[str]
    interface: type | None
    idempotent: frozenset[str] = frozenset()

    def members(
        self, clazz: type, instance: object = None, *, weak: bool = False
    ) -> Members:
        """Return what the view offers of a class, or of one object.

        Args:
            clazz: the class.
            instance: the object; None for any instance of the class.
            weak: whether the result must not keep the object alive.

        Raises:
            AttributeError: a name is private, unknown, or of the wrong kind.
            TypeError: the class lacks something that the interface has.
        """
        known = _cache.get(clazz, {}).get(self)
        if known is not None:
            return known
        target = Target(clazz, instance, weak=weak)
        if self.interface is None:
            methods, attributes = self._named(target)
            add_passages(methods, attributes, clazz)
            mode, creator = _instancing(clazz)
        else:
            methods, attributes = _of_interface(target, self.interface)
            add_passages(methods, attributes, clazz, self.interface)
            mode, creator = _instancing(self.interface, clazz)
        described = () if self.interface is None else (self.interface,)
        members = Members(methods, attributes, mode, creator)
        members = members.with_requirements(clazz, *described)
        allow_classes_of(members)
        if not target.own_used:
            views = _cache.setdefault(clazz, {})
            if len(views) >= _VIEWS_LIMIT:
                views.clear()
            views[self] = members
        return members

    def _named(self, target: Target) -> tuple[dict[str, Method], dict[str, Attribute]]:
        methods: dict[str, Method] = {}
        attributes: dict[str, Attribute] = {}
        for name in sorted(self.names | self.writable):
            if not may_be_exposed(name):
                raise AttributeError(
                    f"exposing private names is not allowed: {name!r} of {target}"
                )
            found = target.find(name)
            if found is None:
                raise AttributeError(
                    f"{target} has no {name!r} to expose{target.suggest(name)}"
                )
            if isinstance(found, Attribute):
                if name in self.idempotent:
                    raise AttributeError(
                        f"{name!r} of {target} is not a method; reading it is always"
                        " idempotent"
                    )
                attributes[name] = self._accessible(target, found)
            elif name in self.writable:
                raise AttributeError(
                    f"{name!r} of {target} is a method, which cannot be writable"
                )
            elif name in self.idempotent:
                methods[name] = replace(found, idempotent=True)
            else:
                methods[name] = found
        return methods, attributes

    def _accessible(self, target: Target, found: Attribute) -> Attribute:
        name = found.name
        return _restricted(
            target, found, readable=name in self.names, writable=name in self.writable
        )


def view_of(
    expose: Iterable[str] | None,
    writable: Iterable[str] | None,
    interface: type | None,
    idempotent: Iterable[str] | None = None,
) -> View | None:
    """Return the view that the arguments of a registration describe, if any.

    Args:
        expose: the names that can be called or read.
        writable: the names of attributes that can be written.
        interface: the class whose members are reachable.
        idempotent: the names of methods that may be run twice.

    Raises:
        TypeError: the arguments do not go together, or are of other types.
    """
    if interface is not None:
        if expose is not None or writable is not None or idempotent is not None:
            raise TypeError(
                "give either names or an interface, not both; an interface says itself"
                " what can be written, and with @idempotent what may be run twice"
            )
        if not isinstance(interface, type):
            raise TypeError(f"an interface must be a class, not {interface!r}")
        return View(frozenset(), frozenset(), interface)
    if expose is not None:
        names = _names("expose", expose)
        harmless = _names("idempotent", idempotent or ())
        if not harmless <= names:
            raise TypeError(
                "idempotent only adds to expose; give there as well: "
                + ", ".join(sorted(harmless - names))
            )
        return View(names, _names("writable", writable or ()), None, harmless)
    if idempotent is not None:
        raise TypeError(
            "idempotent only adds to expose: give expose as well, or mark the methods"
            " of the class with @idempotent"
        )
    if writable is not None:
        raise TypeError(
            "writable only adds to expose: give expose as well, with all names that"
            " can be called or read"
        )
    return None


def forget_views(clazz: type, view: View) -> None:
    """Forget what views offer of a class, after it or the interface was changed."""
    _cache.pop(clazz, None)
    if view.interface is not None:
        reset_members(view.interface)


def _names(argument: str, names: Iterable[str]) -> frozenset[str]:
    if isinstance(names, str):
        raise TypeError(f"{argument} takes several names: write [{names!r}]")
    found = list(names)
    for name in found:
        if not isinstance(name, str):
            raise TypeError(f"{argument} takes names, which are text, not {name!r}")
    return frozenset(found)


def _of_interface(
    target: Target, interface: type
) -> tuple[dict[str, Method], dict[str, Attribute]]:
    declared = declared_members(interface)
    methods: dict[str, Method] = {}
    attributes: dict[str, Attribute] = {}
    wrong: list[str] = []
    for name, method in declared.methods.items():
        found = target.find(name)
        if isinstance(found, Method):
            methods[name] = replace(
                found,
                oneway=method.oneway,
                callback=found.callback or method.callback,
                idempotent=found.idempotent or method.idempotent,
                declaration=method.declaration,
            )
        else:
            wrong.append(_complaint(target, name, found, "method"))
    for name, attribute in declared.attributes.items():
        found = target.find(name) or target.assigned_later(name)
        if isinstance(found, Attribute):
            attributes[name] = replace(
                _restricted(
                    target,
                    found,
                    readable=attribute.readable,
                    writable=attribute.writable,
                ),
                declaration=attribute.declaration,
            )
        else:
            wrong.append(_complaint(target, name, found, "attribute"))
    if wrong:
        raise TypeError(
            f"{target} does not have all that {interface.__qualname__} declares: "
            + ", ".join(wrong)
        )
    return methods, attributes


def _complaint(
    target: Target, name: str, found: Method | Attribute | None, wanted: str
) -> str:
    if found is None:
        near = target.near(name)
        return f"{name!r} is missing" + (f" (did you mean {near!r}?)" if near else "")
    return f"{name!r} is not {'a method' if wanted == 'method' else 'an attribute'}"


def _restricted(
    target: Target, found: Attribute, *, readable: bool, writable: bool
) -> Attribute:
    """Return an attribute with the access that is wanted, which must be possible."""
    if readable and not found.readable:
        raise TypeError(f"{found.name!r} of {target} cannot be read")
    if writable and not found.writable:
        raise TypeError(
            f"{found.name!r} of {target} cannot be written; an interface says with a"
            " property without setter that it is only read"
        )
    return replace(found, readable=readable, writable=writable)


def _instancing(
    *classes: type,
) -> tuple[InstanceMode, Callable[[Any], Any] | None]:
    """Return what `behavior` says on the first of the classes that has it."""
    for clazz in classes:
        mark = class_member(clazz, "_pyroInstancing")
        if mark is not MISSING:
            mode, creator = mark
            return mode, creator
    return "session", None
