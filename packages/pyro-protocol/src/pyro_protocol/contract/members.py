"""Members: what one class offers, worked out once per class."""

from __future__ import annotations

import functools
import inspect
import weakref
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from .concurrency import add_passages
from .exposure import InstanceMode, is_private_name, may_be_exposed
from .roles import Requirements, requirements_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .concurrency import Passage

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
        coroutine: whether it is written ``async def``, as
            `inspect.iscoroutinefunction` tells. A plain function that returns
            a coroutine is not: what else it does may take its time.
        declaration: what its signature, annotations and docstring are taken from:
            what the class, or the interface, has under that name. None if that is
            not known.
        passage: the gates that a call has to enter; None where nothing is marked.
        idempotent: whether running it twice does no harm.
    """

    name: str
    function: Callable[..., Any] | None
    descriptor: Any
    oneway: bool
    callback: bool
    coroutine: bool
    declaration: Any
    passage: Passage | None = None
    idempotent: bool = False

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
        declaration: what its annotation and docstring are taken from; a class is
            one that annotates the name. None if that is not known.
        read_passage: the gates that getting it has to enter; None where nothing is
            marked.
        write_passage: those that setting it has to enter.
    """

    name: str
    descriptor: Any
    readable: bool
    writable: bool
    declaration: Any
    read_passage: Passage | None = None
    write_passage: Passage | None = None


# Compared by identity: what is known about members is kept by them.
@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Members:
    """Everything a class, or one registered object, offers to remote callers.

    Attributes:
        methods: exposed methods by name.
        attributes: exposed attributes by name.
        instance_mode: how instances are made when the class is registered.
        instance_creator: what makes them, or None to call the class.
        requirements: what the members demand of their callers; None if nothing.
    """

    methods: dict[str, Method]
    attributes: dict[str, Attribute]
    instance_mode: InstanceMode
    instance_creator: Callable[[Any], Any] | None
    requirements: Requirements | None = None
    _offer: Mapping[str, frozenset[str]] | None = field(
        default=None, init=False, repr=False
    )

    def with_requirements(self, *classes: type) -> Members:
        """Return the same members with what they demand of their callers.

        Args:
            classes: where marks are looked for; see `requirements_of`.
        """
        requirements = requirements_of(self, classes)
        if requirements is None:
            return self
        return replace(self, requirements=requirements)

    def metadata(self) -> dict[str, set[str]]:
        """Return the names in the form in which the handshake carries them."""
        return {kind: set(names) for kind, names in self.offer.items()}

    @property
    def offer(self) -> Mapping[str, frozenset[str]]:
        """The same as `metadata`, worked out once and never to be changed."""
        offer = self._offer
        if offer is None:
            oneway = (name for name, one in self.methods.items() if one.oneway)
            offer = MappingProxyType(
                {
                    "methods": frozenset(self.methods),
                    "oneway": frozenset(oneway),
                    "attrs": frozenset(self.attributes),
                }
            )
            # What another thread works out meanwhile is the same.
            object.__setattr__(self, "_offer", offer)
        return offer


_cache: weakref.WeakKeyDictionary[type, Members] = weakref.WeakKeyDictionary()


def members_of(clazz: type) -> Members:
    """Return what a class offers; the answer is kept until `reset_members`."""
    members = _cache.get(clazz)
    if members is None:
        members = _find_members(clazz).with_requirements(clazz)
        _cache[clazz] = members
    return members


def reset_members(clazz: type) -> None:
    """Forget what a class offers, after it was changed."""
    _cache.pop(clazz, None)


def _find_members(clazz: type) -> Members:
    methods: dict[str, Method] = {}
    attributes: dict[str, Attribute] = {}
    for name in dir(clazz):
        if not may_be_exposed(name):
            continue
        # Looked up without triggering descriptors: finding out what a class
        # offers must not run its code.
        member = inspect.getattr_static(clazz, name, None)
        if isinstance(member, functools.cached_property):
            if _marked(member.func):
                attributes[name] = Attribute(
                    name, member, readable=True, writable=False, declaration=member
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
    add_passages(methods, attributes, clazz)
    return Members(methods, attributes, mode, creator)


def _marked(target: Any) -> bool:
    return getattr(target, "_pyroExposed", False) is True


def _attribute(name: str, descriptor: Any) -> Attribute | None:
    readable = _marked(getattr(descriptor, "fget", None))
    writable = _marked(getattr(descriptor, "fset", None))
    if not readable and not writable:
        return None
    return Attribute(name, descriptor, readable, writable, declaration=descriptor)


def _method(name: str, member: Any) -> Method | None:
    function = member
    if isinstance(member, staticmethod | classmethod):
        function = member.__func__
    if (
        inspect.isclass(function)
        or not _marked(function)
        or not callable(function)
        or not hasattr(member, "__get__")
        # Under this name only what was marked as such: a method that is exposed
        # with its class may be called by a second name in the class.
        or (is_private_name(name) and getattr(function, "__name__", "") != name)
    ):
        return None
    return Method(
        name=name,
        function=member if inspect.isfunction(member) else None,
        descriptor=member,
        oneway=getattr(function, "_pyroOneway", False) is True,
        callback=getattr(function, "_pyroCallback", False) is True,
        coroutine=inspect.iscoroutinefunction(function),
        declaration=member,
        idempotent=getattr(function, "_pyroIdempotent", False) is True,
    )
