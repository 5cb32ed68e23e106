"""What an interface declares: a Protocol, an abstract class, or any class."""

from __future__ import annotations

import abc
import re
import typing
from dataclasses import InitVar, replace
from typing import Any, ClassVar, Final, Generic, Protocol

from .exposure import is_private_name
from .hints import hints_of
from .lookup import (
    MISSING,
    annotated_names,
    class_member,
    names_of_class,
    own_annotations,
)
from .members import Attribute, Members, Method, members_of
from .targets import Target

__all__ = ["declared_members"]

# Of the special methods of an interface that marks nothing. Others are mostly there
# for the class itself, such as ``__post_init__``.
_SPECIAL: Final = frozenset(
    [
        "__call__",
        "__contains__",
        "__delitem__",
        "__getitem__",
        "__iter__",
        "__len__",
        "__next__",
        "__reversed__",
        "__setitem__",
        "__aiter__",
        "__anext__",
    ]
)
# For mypy these are no classes.
_NO_INTERFACES: Final[tuple[Any, ...]] = (object, abc.ABC, Generic, Protocol)
# ReadOnly is not there before Python 3.13.
_READ_ONLY_FORMS: Final = (ClassVar, Final, getattr(typing, "ReadOnly", Final))
_READ_ONLY: Final = re.compile(r"\b(ClassVar|Final|ReadOnly)\b")


def declared_members(interface: type) -> Members:
    """Return the members that an interface makes reachable.

    If something in it is marked with `expose`, it is what is marked; otherwise all
    that has a public name, and of the special methods those of containers,
    iterators and functions. What an attribute says of being readable and writable
    is how it is spelled: a property is writable if it has a setter, a variable with
    an annotation unless that is ``Final`` or ``ClassVar`` or the class is a frozen
    dataclass.
    """
    marked = members_of(interface)
    if marked.methods or marked.attributes:
        return marked
    target = Target(interface)
    annotated = annotated_names(interface, without=_NO_INTERFACES)
    methods: dict[str, Method] = {}
    attributes: dict[str, Attribute] = {}
    for name in sorted(
        {*names_of_class(interface, without=_NO_INTERFACES), *annotated}
    ):
        if name.startswith("__") or is_private_name(name):
            if name not in _SPECIAL or not callable(class_member(interface, name)):
                continue
        elif isinstance(class_member(interface, name), type):
            continue
        found = target.find(name)
        if isinstance(found, Method):
            methods[name] = found
        elif found is not None:
            declared = _declared(found, interface, annotated.get(name))
            if declared is not None:
                attributes[name] = declared
    return Members(methods, attributes, marked.instance_mode, marked.instance_creator)


def _declared(
    found: Attribute, interface: type, owner: type | None
) -> Attribute | None:
    if isinstance(found.descriptor, property):
        return found
    if owner is None:
        return replace(found, writable=False)
    annotation = hints_of(owner).get(found.name, MISSING)
    if isinstance(annotation, InitVar):
        return None
    if annotation is MISSING:
        text = own_annotations(owner).get(found.name)
        read_only = isinstance(text, str) and _READ_ONLY.search(text) is not None
    else:
        form = typing.get_origin(annotation) or annotation
        read_only = any(form is one for one in _READ_ONLY_FORMS)
    parameters: Any = class_member(interface, "__dataclass_params__")
    if getattr(parameters, "frozen", False):
        read_only = True
    return replace(found, writable=not read_only, declaration=owner)
