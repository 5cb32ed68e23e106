"""The table of registered objects."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any

from ..contract import (
    Members,
    View,
    allow_annotated_classes,
    describe_members,
    forget_views,
    members_of,
    view_of,
)
from ..contract import reset_members as forget_members
from ..errors import DaemonError

if TYPE_CHECKING:
    from ..contract import InstanceMode
    from .client import ClientConnection
    from .leases import Lease

__all__ = ["ObjectRegistry", "Registration"]

LockFactory = Callable[[], AbstractContextManager[Any]]


class Registration:
    """One registered object or class.

    Attributes:
        object_id: the id it is reached by.
        target: the object, the class, or a weak reference to the object.
        identity: the ``id()`` of the object or class.
        clazz: the class, or the class of the object.
        plain: the object, where it serves all calls itself; else None, and
            `instance` has to be asked.
        instancing: of a class, how an instance of exactly that is found or made; None
            for objects, and where that is not certain or callers are checked before.
        members: what it offers.
        view: what of it is reachable, if that is not what its class exposes.
        lease: what ends the registration by itself; None if it is pinned.
    """

    __slots__ = (
        "_is_class",
        "_lock",
        "_single",
        "_weak",
        "clazz",
        "identity",
        "instancing",
        "lease",
        "members",
        "object_id",
        "plain",
        "target",
        "view",
    )

    def __init__(
        self,
        object_id: str,
        target: Any,
        lock: AbstractContextManager[Any],
        *,
        weak: bool,
        view: View | None = None,
    ) -> None:
        self.object_id: str = object_id
        self.identity: int = id(target)
        self._is_class = inspect.isclass(target)
        self.clazz: type = target if self._is_class else type(target)
        self._weak = weak
        self.target: Any = weakref.ref(target) if weak else target
        self.view: View | None = view
        self.members: Members = self._find_members(target)
        self._single: Any = None
        self._lock = lock
        self.lease: Lease | None = None
        self.plain: Any = None
        self.instancing: InstanceMode | None = None
        self._find_short_way()

    def _find_members(self, target: Any) -> Members:
        if self.view is None:
            allow_annotated_classes(self.clazz)
            return members_of(self.clazz)
        instance = None if self._is_class else target
        return self.view.members(self.clazz, instance, weak=self._weak)

    def _find_short_way(self) -> None:
        # What demands something of its callers takes the longer way, too.
        longer = self.members.requirements is not None or self.lease is not None
        if self._is_class:
            self.plain = None
            mode = self.members.instance_mode
            longer = longer or (mode == "percall" and not self._makes_own_instances())
            self.instancing = None if longer else mode
        else:
            self.plain = None if longer or self._weak else self.target

    def _makes_own_instances(self) -> bool:
        """Whether what is made for a call can only be of the class itself."""
        makes: Any = self.clazz.__new__
        return (
            self.members.instance_creator is None
            and type(self.clazz) is type
            and makes is object.__new__
        )

    def set_lease(self, lease: Lease) -> None:
        """Make the registration one that ends; its calls renew the lease."""
        self.lease = lease
        self._find_short_way()

    def members_for(self, instance: object) -> Members:
        """Return what is reachable of an instance of another class than `clazz`.

        Raises:
            AttributeError: the class lacks what the view names.
            TypeError: the class lacks what the interface of the view has.
        """
        if self.view is None:
            return members_of(type(instance))
        return self.view.members(
            type(instance), None if self._is_class else instance, weak=self._weak
        )

    def description(self) -> dict[str, Any]:
        """Return what is offered as plain data, for tools; not to be changed."""
        interface = None if self.view is None else self.view.interface
        mode = self.members.instance_mode if self._is_class else None
        return {
            **describe_members(self.members, interface or self.clazz),
            "instance_mode": mode,
        }

    def renew_members(self) -> None:
        """Work out anew what is offered, after the class was changed."""
        if self.view is None:
            allow_annotated_classes(self.clazz, again=True)
            self.members = members_of(self.clazz)
        else:
            self.members = self._find_members(self.object())
        self._find_short_way()

    @property
    def is_class(self) -> bool:
        """Whether a class is registered, of which instances are made."""
        return self._is_class

    def object(self) -> Any:
        """Return the registered object or class itself.

        Raises:
            DaemonError: a weakly registered object no longer exists.
        """
        if not self._weak:
            return self.target
        target = self.target()
        if target is None:
            raise DaemonError(f"object {self.object_id!r} no longer exists")
        return target

    def instance(self, client: ClientConnection) -> Any:
        """Return the object that serves a call of ``client``, making it if needed.

        Raises:
            DaemonError: a weakly registered object no longer exists.
            TypeError: the instance creator returned something else.
        """
        if not self._is_class:
            if self.lease is not None:
                self.lease.use(client)
            return self.object()
        mode = self.members.instance_mode
        if mode == "percall":
            return self._create()
        if mode == "session":
            found = client.session_instances.get(self)
            if found is None:
                # In a list, since an instance may be anything, also "false".
                with self._lock:
                    found = client.session_instances.get(self)
                    if found is None:
                        found = client.session_instances[self] = [self._create()]
            return found[0]
        if self._single is None:
            with self._lock:
                if self._single is None:
                    self._single = [self._create()]
        return self._single[0]

    def is_made(self, client: ClientConnection) -> bool:
        """Whether a call of ``client`` finds the object that serves it made already."""
        if not self._is_class:
            return True
        if self.members.instance_mode == "session":
            return client.has_instance(self)
        return self.members.instance_mode == "single" and self._single is not None

    def holds(self, obj: Any) -> bool:
        """Whether ``obj`` is what this registration stands for."""
        if self._is_class:
            return obj is self.target or bool(self._single and self._single[0] is obj)
        return (self.target() if self._weak else self.target) is obj

    def _create(self) -> Any:
        creator = self.members.instance_creator
        if creator is None:
            return self.clazz()
        instance = creator(self.clazz)
        if not isinstance(instance, self.clazz):
            raise TypeError(
                f"the instance creator of {self.clazz.__qualname__} returned "
                f"{type(instance).__qualname__}, which is not an instance of it"
            )
        return instance


class ObjectRegistry:
    """Objects by id, and ids by object.

    Args:
        lock_factory: makes the locks that guard the table and the creation of
            instances; re-entrant ones where several threads serve calls.
    """

    def __init__(self, lock_factory: LockFactory) -> None:
        self._lock_factory = lock_factory
        self._lock = lock_factory()
        self._by_id: dict[str, Registration] = {}
        # Identity, not equality: two equal objects are two objects.
        self._by_identity: dict[int, list[Registration]] = {}

    def register(
        self,
        target: Any,
        object_id: str | None = None,
        *,
        force: bool = False,
        weak: bool = False,
        expose: Iterable[str] | None = None,
        writable: Iterable[str] | None = None,
        interface: type | None = None,
        idempotent: Iterable[str] | None = None,
    ) -> Registration:
        """Add an object, or a class of which instances are made.

        Args:
            target: the object or class.
            object_id: the id; without it a random one is made.
            force: whether an id in use, or an object known already, is accepted.
            weak: whether the object may vanish when nothing else refers to it.
            expose: the names of what can be called or read, instead of what the
                class exposes. Nothing is written onto the class or the object.
            writable: the names of attributes that can be written as well.
            interface: a Protocol, an abstract class or any class, whose members
                are reachable instead; see `View`.
            idempotent: the names of methods that may be run twice, besides ``expose``.

        Raises:
            TypeError: the id is not text, a class is registered weakly, or the
                interface has what the object has not.
            AttributeError: a name to be exposed is private or not there.
            DaemonError: the id or the object is registered already.
        """
        if object_id is not None and not isinstance(object_id, str):
            raise TypeError(
                f"an object id must be text, not {type(object_id).__name__}"
            )
        if weak and inspect.isclass(target):
            raise TypeError("a class cannot be registered weakly")
        view = view_of(expose, writable, interface, idempotent)
        object_id = object_id or _new_id()
        if "@" in object_id or any(character.isspace() for character in object_id):
            raise DaemonError(
                f"object id {object_id!r} cannot be part of a URI: "
                "leave out white space and '@'"
            )
        with self._lock:
            if not force:
                known = self.id_of(target)
                if known is not None:
                    raise DaemonError(
                        f"object is already registered here as {known!r}; "
                        "unregister it first, or use force"
                    )
                if object_id in self._by_id:
                    raise DaemonError(
                        f"an object is already registered here under {object_id!r}"
                    )
            entry = Registration(
                object_id, target, self._lock_factory(), weak=weak, view=view
            )
            self._remove(object_id)
            self._by_id[object_id] = entry
            self._by_identity.setdefault(entry.identity, []).append(entry)
            if weak:
                weakref.finalize(target, self._forget, entry).atexit = False
        return entry

    def unregister(self, target: Any) -> Registration | None:
        """Remove an object, given itself or its id; None if the id is unknown.

        Raises:
            DaemonError: an object was given that is not registered.
        """
        with self._lock:
            if isinstance(target, str):
                return self._remove(target)
            known = self.id_of(target)
            if known is None:
                raise DaemonError(f"object {target!r} is not registered here")
            return self._remove(known)

    def _remove(self, object_id: str) -> Registration | None:
        entry = self._by_id.pop(object_id, None)
        if entry is not None:
            entries = self._by_identity[entry.identity]
            entries.remove(entry)
            if not entries:
                del self._by_identity[entry.identity]
        return entry

    def _forget(self, entry: Registration) -> None:
        """Remove a weakly registered object that has just vanished."""
        with self._lock:
            if self._by_id.get(entry.object_id) is entry:
                self._remove(entry.object_id)

    def get(self, object_id: str) -> Registration | None:
        """Return the registration of an id, or None."""
        return self._by_id.get(object_id)

    def id_of(self, target: object) -> str | None:
        """Return the id an object is registered under, or None."""
        for entry in reversed(self._by_identity.get(id(target), ())):
            if entry.holds(target):
                return entry.object_id
        return None

    def registration_of(self, target: object) -> Registration | None:
        """Return what stands for an object, also if it is a class's one instance."""
        known = self.id_of(target)
        if known is not None:
            return self._by_id.get(known)
        for entry in self._by_identity.get(id(type(target)), ()):
            if entry.holds(target):
                return entry
        return None

    def reset_members(self, target: Any) -> None:
        """Work out anew what an object, or the object with an id, offers."""
        entry = (
            self.get(target)
            if isinstance(target, str)
            else self.registration_of(target)
        )
        clazz = (
            entry.clazz
            if entry
            else target
            if inspect.isclass(target)
            else type(target)
        )
        forget_members(clazz)
        entries = [one for one in self if one.clazz is clazz]
        for one in entries:
            if one.view is not None:
                forget_views(clazz, one.view)
        for one in entries:
            # A weak one may have gone in the meantime.
            with suppress(DaemonError):
                one.renew_members()
        if not entries:
            allow_annotated_classes(clazz, again=True)

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            self._by_id.clear()
            self._by_identity.clear()

    def __iter__(self) -> Iterator[Registration]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._by_id


def _new_id() -> str:
    import uuid  # noqa: PLC0415 - most programs choose the ids, and start sooner

    return f"obj_{uuid.uuid4().hex}"
