"""The mark that says which calls may run at the same moment: concurrency.

A policy is about one object, whoever calls it. It becomes a `Passage` for each member:
the gates that a call has to enter before it runs. The gates themselves, where calls
wait for their turn, are `dispatch.gates`.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from .lookup import MISSING, class_member, instance_namespace, own_namespace

if TYPE_CHECKING:
    from .members import Attribute, Method

__all__ = [
    "FREE",
    "SERIAL",
    "ConcurrencyPolicy",
    "Passage",
    "Requirement",
    "add_passages",
    "combined",
    "concurrency",
]

T = TypeVar("T")

ConcurrencyPolicy = (
    Literal["serial", "readers-writer", "unlimited", "read", "write"] | int
)
"""What `concurrency` takes; an int is the most calls at once."""

Access = Literal["read", "write"]

_OF_CLASSES: Final = ("serial", "readers-writer", "unlimited")
_OF_METHODS: Final = ("serial", "unlimited", "read", "write")
_CALLABLES: Final = (staticmethod, classmethod)

# No member has an empty name, so no gate of a method can be taken for this one.
_CLASS_GATE: Final = ""
# More than calls can ever run at once, so only a writer, who takes all of it, waits.
_ALL: Final = 1 << 62


class Requirement(NamedTuple):
    """A gate that a call has to enter, and how much room it takes there.

    Attributes:
        gate: the name of the gate: of the method, or empty for that of the class.
        limit: how much room there is.
        share: how much of it the call takes.
    """

    gate: str
    limit: int
    share: int


Passage = tuple[Requirement, ...]
"""All gates that a call has to enter, together, before it runs."""

FREE: Final[Passage] = ()
"""The passage of a call that never waits, since its mark says so."""

SERIAL: Final[Passage] = (Requirement(_CLASS_GATE, 1, 1),)
"""The passage of calls of which one runs at a time."""

_READ: Final[Passage] = (Requirement(_CLASS_GATE, _ALL, 1),)
_WRITE: Final[Passage] = (Requirement(_CLASS_GATE, _ALL, _ALL),)


class _Concurrency:
    """What `concurrency` returns; called with a class, a method or a property."""

    def __init__(self, policy: ConcurrencyPolicy) -> None:
        self._policy = policy

    def __call__(self, target: T) -> T:
        if inspect.isclass(target):
            self._mark_class(target)
        elif isinstance(target, property):
            for accessor in (target.fget, target.fset, target.fdel):
                if accessor is not None:
                    self._mark(accessor)
        elif isinstance(target, functools.cached_property):
            self._mark(target.func)
        else:
            self._mark(target.__func__ if isinstance(target, _CALLABLES) else target)
        return target

    def _mark_class(self, clazz: Any) -> None:
        policy = self._policy
        if isinstance(policy, str) and policy not in _OF_CLASSES:
            raise TypeError(
                f"concurrency policy {policy!r} is for methods; a class takes "
                "'serial', a number, 'readers-writer' or 'unlimited'"
            )
        if policy != "readers-writer":
            for name, mark in _own_marks(clazz):
                if mark in ("read", "write"):
                    raise TypeError(
                        f"{clazz.__qualname__}.{name} is marked {mark!r}, which needs "
                        f"the policy 'readers-writer' on the class, not {policy!r}"
                    )
        clazz._pyroConcurrency = policy

    def _mark(self, function: Any) -> None:
        if isinstance(self._policy, str) and self._policy not in _OF_METHODS:
            raise TypeError(
                f"concurrency policy {self._policy!r} is for classes; a method takes "
                "'serial', a number, 'unlimited', 'read' or 'write'"
            )
        if not callable(function):
            raise TypeError(
                f"concurrency applies to classes, methods and properties, "
                f"not to {function!r}"
            )
        function._pyroConcurrency = self._policy


def concurrency(policy: ConcurrencyPolicy) -> _Concurrency:
    """Say which calls of an object may run at the same moment.

    Without it, calls of different clients run side by side, and so do those of one
    client that has several under way. The policy of a class holds for each object by
    itself, and for all its callers together. Calls that have to wait are served in the
    order in which they came. It is inherited; a method that is overridden has to be
    marked anew.

    On a class: ``"serial"``, one call at a time; a number, so many at once;
    ``"readers-writer"``, methods marked ``"read"`` run side by side and all others
    alone; ``"unlimited"``, no bound. Reading an attribute is a ``"read"``, and setting
    one a ``"write"``.

    On a method or property: ``"read"`` or ``"write"``, in a class with readers and
    writers; ``"unlimited"``, it never waits and nobody waits for it, such as an
    emergency stop; ``"serial"`` or a number, a bound of its own *instead* of that of
    the class, so it also runs beside the other methods.

    An ``async def`` method counts until it returns. A stream counts only until the
    method has returned its iterator: items are produced when the client asks for them.
    A batch waits until all its calls may run, and then runs as one call. A method that
    calls back into its own object through a proxy waits for itself, unless the policy
    has room for both calls.

    Args:
        policy: see above.

    Raises:
        SyntaxError: used without parentheses.
        ValueError: there is no such policy, or the number is less than 1.
        TypeError: the policy is of another type, or does not fit what it is put on.
    """
    if callable(policy):
        raise SyntaxError(
            'concurrency must be written with a policy: @concurrency("serial")'
        )
    if isinstance(policy, bool) or not isinstance(policy, str | int):
        raise TypeError(f"a concurrency policy is text or a number, not {policy!r}")
    if isinstance(policy, int):
        if policy < 1:
            raise ValueError(f"at least 1 call must be able to run, not {policy}")
    elif policy not in _OF_CLASSES + _OF_METHODS:
        known = ", ".join(repr(one) for one in dict.fromkeys(_OF_CLASSES + _OF_METHODS))
        raise ValueError(f"unknown concurrency policy {policy!r}; known: {known}")
    return _Concurrency(policy)


def _own_marks(clazz: type) -> list[tuple[str, object]]:
    """Return the marks of what a class itself defines."""
    found: list[tuple[str, object]] = []
    for name, member in own_namespace(clazz).items():
        is_property = isinstance(member, property)
        for part in (member.fget, member.fset) if is_property else (member,):
            mark = _mark_of(part)
            if mark is not None and not inspect.isclass(part):
                found.append((name, mark))
    return found


def _mark_of(target: Any) -> ConcurrencyPolicy | None:
    """Return what `concurrency` has put on a member, or None."""
    if isinstance(target, _CALLABLES):
        target = target.__func__
    elif isinstance(target, functools.cached_property):
        target = target.func
    namespace = instance_namespace(target)
    mark: ConcurrencyPolicy | None = namespace.get("_pyroConcurrency")
    return mark


def add_passages(
    methods: dict[str, Method], attributes: dict[str, Attribute], *classes: type
) -> None:
    """Put into members the gates that their calls have to enter, if there are any.

    Args:
        methods: the methods by name.
        attributes: the attributes by name.
        classes: where the policy is looked for; the first that has one decides.

    Raises:
        TypeError: a member is marked ``"read"`` or ``"write"``, and no class has a
            policy.
    """
    marks = (class_member(one, "_pyroConcurrency") for one in classes)
    policy = next((mark for mark in marks if mark is not MISSING), None)
    for name, method in methods.items():
        mark = _mark_of(method.descriptor) or _mark_of(method.declaration)
        passage = _passage(policy, name, mark, "write")
        if passage is not None:
            methods[name] = replace(method, passage=passage)
    for name, attribute in attributes.items():
        reading, writing = _accessor_marks(attribute.descriptor)
        read_passage = _passage(policy, name, reading, "read")
        write_passage = _passage(policy, name, writing, "write")
        if read_passage is not None or write_passage is not None:
            attributes[name] = replace(
                attribute, read_passage=read_passage, write_passage=write_passage
            )


def _accessor_marks(
    descriptor: Any,
) -> tuple[ConcurrencyPolicy | None, ConcurrencyPolicy | None]:
    if isinstance(descriptor, property):
        return _mark_of(descriptor.fget), _mark_of(descriptor.fset)
    return _mark_of(descriptor), None


def _passage(
    policy: ConcurrencyPolicy | None,
    name: str,
    mark: ConcurrencyPolicy | None,
    access: Access,
) -> Passage | None:
    """Return the gates for one member; None where nothing is marked."""
    if mark in ("read", "write"):
        if policy is None:
            raise TypeError(
                f"{name!r} is marked @concurrency({mark!r}), which needs "
                '@concurrency("readers-writer") on the class'
            )
        access, mark = ("read" if mark == "read" else "write"), None
    if mark is not None:
        return _bound(mark, name)
    if policy == "readers-writer":
        return _READ if access == "read" else _WRITE
    return None if policy is None else _bound(policy, _CLASS_GATE)


def _bound(policy: ConcurrencyPolicy, gate: str) -> Passage:
    if policy == "unlimited":
        return FREE
    return (Requirement(gate, policy if isinstance(policy, int) else 1, 1),)


def combined(passages: list[Passage]) -> Passage:
    """Return the passage of calls that run one after the other as one, as a batch does.

    It takes at each gate as much room as the one of them that takes most.
    """
    most: dict[str, Requirement] = {}
    for passage in passages:
        for one in passage:
            known = most.get(one.gate)
            if known is None or known.share < one.share:
                most[one.gate] = one
    return tuple(most.values())
