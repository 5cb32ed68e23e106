"""The mark that says who may call: `requires`, and what it demands of a caller.

A demand only ever grows: what a class or a method requires, its subclasses and the
methods that override it require too.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .lookup import instance_namespace, own_namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .members import Attribute, Members, Method

__all__ = ["Demand", "Requirements", "requirements_of", "requires", "unmet"]

T = TypeVar("T")

Demand = tuple[frozenset[str], ...]
"""Sets of roles: of each the caller must have at least one. An empty set asks for no
role, but for a caller that is known."""

_MARK: Final = "_pyroRequires"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the members of one class demand of their callers.

    Attributes:
        common: what every member demands.
        methods: what the methods demand, by name; all of ``common`` is in it.
        reading: the same for reading attributes.
        writing: the same for writing them.
    """

    common: Demand
    methods: Mapping[str, Demand]
    reading: Mapping[str, Demand]
    writing: Mapping[str, Demand]


def requires(*roles: str) -> Callable[[T], T]:
    """Let only callers with one of these roles use a method, a property or a class.

    The roles are those of the caller's `Identity`, which the server finds out when
    the client connects; who has none of them gets a `SecurityError`, and nothing is
    run. Without roles, any caller that has an identity will do. Written twice, both
    are demanded.

    On a class it holds for all members, those of subclasses as well; what a method
    requires in addition is demanded besides. A method that overrides another requires
    what that one does, marked or not. To write a property, a caller needs what
    reading it requires, too.

    It exposes nothing: that is for `expose`, above it or below. Put it above decorators
    that return another function without using `functools.wraps`.

    Args:
        roles: the names of the roles.

    Raises:
        SyntaxError: used without parentheses.
        TypeError: a role is not text, or the target cannot be marked.
        ValueError: a role is empty.
    """
    for role in roles:
        if isinstance(role, str):
            if not role:
                raise ValueError("a role needs a name")
        elif callable(role) or isinstance(role, property | staticmethod | classmethod):
            raise SyntaxError(
                'requires must be written with parentheses: @requires("role")'
            )
        else:
            raise TypeError(f"a role must be text, not {type(role).__name__}")
    demanded = frozenset(roles)

    def mark(target: T) -> T:
        parts = [*_parts(target)]
        if not parts:
            raise TypeError(
                "requires applies to methods, properties and classes, "
                f"not to {target!r}"
            )
        for part in parts:
            try:
                setattr(part, _MARK, (demanded, *_own_marks(part)))
            except (AttributeError, TypeError):
                raise TypeError(
                    f"{part!r} takes no attributes, so requires cannot mark it"
                ) from None
        return target

    return mark


def unmet(demand: Demand, roles: frozenset[str] | None) -> frozenset[str] | None:
    """Return of which roles a caller has none, or None if it has what is demanded.

    Args:
        demand: what is demanded.
        roles: the roles of the caller; None if it is not known.
    """
    for one in demand:
        if roles is None or (one and one.isdisjoint(roles)):
            return one
    return None


def requirements_of(members: Members, classes: Iterable[type]) -> Requirements | None:
    """Return what members demand of their callers; None if they demand nothing.

    Args:
        members: the members.
        classes: where marks are looked for: the class of the object, and what else
            describes it, such as an interface. Their base classes count too.
    """
    bases = [base for clazz in classes for base in inspect.getmro(clazz)]
    common = _joined(_own_marks(base) for base in bases)
    methods = {
        name: common + _of_method(method, bases)
        for name, method in members.methods.items()
    }
    reading: dict[str, Demand] = {}
    writing: dict[str, Demand] = {}
    for name, attribute in members.attributes.items():
        read, write = _of_attribute(attribute, bases)
        reading[name] = common + read
        writing[name] = common + read + write
    if not any((common, *methods.values(), *reading.values(), *writing.values())):
        return None
    return Requirements(common, methods, reading, writing)


def _of_method(method: Method, bases: Iterable[type]) -> Demand:
    return _joined(
        _own_marks(part)
        for member in _definitions(method, bases)
        for part in _parts(member)
    )


def _of_attribute(attribute: Attribute, bases: Iterable[type]) -> tuple[Demand, Demand]:
    """Return what reading demands, and what writing demands besides."""
    read: list[Demand] = []
    write: list[Demand] = []
    for member in _definitions(attribute, bases):
        getter = getattr(member, "fget", None) if _is_accessible(member) else None
        for part in _parts(member):
            by_reading = getter is None or part is getter
            (read if by_reading else write).append(_own_marks(part))
    return _joined(read), _joined(write)


def _definitions(member: Method | Attribute, bases: Iterable[type]) -> Iterator[Any]:
    """Yield everything that a member is made of, or overrides."""
    yield member.descriptor
    yield member.declaration
    for base in bases:
        found = own_namespace(base).get(member.name)
        if found is not None:
            yield found


def _is_accessible(member: object) -> bool:
    """Whether a member is a property, or made as one."""
    return inspect.isdatadescriptor(member) and not inspect.isclass(member)


def _parts(member: Any) -> Iterator[Any]:
    """Yield the functions, or the class, that bear the mark of a member."""
    if isinstance(member, staticmethod | classmethod):
        yield member.__func__
    elif isinstance(member, functools.cached_property):
        yield member.func
    elif _is_accessible(member):
        for name in ("fget", "fset", "fdel"):
            accessor = getattr(member, name, None)
            if accessor is not None:
                yield accessor
    elif callable(member):
        yield member


def _own_marks(target: Any) -> Demand:
    """Return what a function or class itself is marked with."""
    namespace = (
        own_namespace(target)
        if isinstance(target, type)
        else instance_namespace(target)
    )
    marks = namespace.get(_MARK, ())
    return marks if isinstance(marks, tuple) else ()


def _joined(demands: Iterable[Demand]) -> Demand:
    """Return one demand for all, each set of roles once."""
    return tuple(dict.fromkeys(one for demand in demands for one in demand))
