"""References to leased objects, which are given back when nobody uses them any more.

A server keeps a temporary object as long as its clients need it. So a reference to one
is given back over the connection it came by, once the last proxy that was received for
it there has been dropped. References that came by another connection are given back
there.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from functools import partial
from typing import Final, Protocol

__all__ = [
    "ReceivedLease",
    "forget_connection",
    "received_lease",
    "remember_connection",
]


class LeaseHolder(Protocol):
    """What references are received over: a binding, or an async channel."""

    @property
    def lease_key(self) -> str | None:
        """The name that the server has given the connection."""

    def give_back(self, object_id: str, number: int) -> None:
        """Give back a reference to a leased object; made for finalizers."""


# By the name that the server has given the connection in the handshake.
_connections: Final[dict[str, weakref.ref[LeaseHolder]]] = {}
# By the name of the connection and the id of the object.
_leases: Final[weakref.WeakValueDictionary[tuple[str, str], ReceivedLease]] = (
    weakref.WeakValueDictionary()
)
# Re-entrant, as a finalizer of the program may run, and receive another, meanwhile.
_lock = threading.RLock()


class ReceivedLease:
    """What was received of one leased object over one connection.

    All proxies for it share this; dropping it gives the object back.

    Attributes:
        number: the number of the last reference that was received.
        passed_on: whether somebody else may have been told of the object. Then the
            server has to find out itself when it is not needed any more.
    """

    __slots__ = (
        "__weakref__",
        "_binding",
        "_key",
        "_object_id",
        "_process",
        "number",
        "passed_on",
    )

    def __init__(self, binding: LeaseHolder, key: str, object_id: str) -> None:
        self._binding = weakref.ref(binding)
        self._key = key
        self._object_id = object_id
        self._process = os.getpid()
        self.number: int = 0
        self.passed_on: bool = False

    def __del__(self) -> None:
        # In a forked child it is a copy; the reference is the parent's.
        if self.passed_on or self._process != os.getpid():
            return
        with contextlib.suppress(Exception):
            binding = self._binding()
            if binding is not None and binding.lease_key == self._key:
                binding.give_back(self._object_id, self.number)


def remember_connection(key: str, binding: LeaseHolder) -> None:
    """Take note of the name that the server has given a connection."""
    # Each connection comes here, so it is left to C functions to take it out again.
    _connections[key] = weakref.ref(binding, partial(_connections.pop, key))


def forget_connection(key: str) -> None:
    """Take note that a connection of that name has ended."""
    _connections.pop(key, None)


def received_lease(object_id: str, reference: str) -> ReceivedLease | None:
    """Return what stands for a reference that was just received.

    Args:
        object_id: the id of the object.
        reference: the name of the connection, a colon and the number of the reference.

    Returns:
        None if the connection has ended; then there is nothing to give back.
    """
    key, _, number = reference.rpartition(":")
    connection = _connections.get(key)
    binding = None if connection is None else connection()
    if binding is None:
        return None
    # Two of them for one object would give it back while it is still in use.
    with _lock:
        lease = _leases.get((key, object_id))
        if lease is None:
            lease = _leases[key, object_id] = ReceivedLease(binding, key, object_id)
        lease.number = max(lease.number, int(number))
    return lease


def _after_fork() -> None:
    """Give a forked child a lock that nobody holds."""
    global _lock  # noqa: PLW0603 - one per process
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
