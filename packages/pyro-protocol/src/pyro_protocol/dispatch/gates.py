"""Gates: where calls wait until the policy of their object lets them run.

A gate has room for so many calls, and is of one object. It exists only while a call is
inside or waits: nothing is kept for an object at rest, and nothing is written onto it,
so that any object can have a policy.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from ..contract.concurrency import FREE, combined

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from contextlib import AbstractContextManager

    from ..contract import Members
    from ..contract.concurrency import Passage

__all__ = ["GateTable", "passage_of_batch"]

_logger = logging.getLogger("pyro.server")


class _Gates:
    """The gates of one object, as long as there are calls."""

    __slots__ = ("taken", "target", "waiting", "wanted")

    def __init__(self, target: object) -> None:
        # Held on to, so that no other object gets its identity meanwhile.
        self.target = target
        self.taken: Counter[str] = Counter()
        self.waiting: deque[tuple[Passage, Callable[[], None]]] = deque()
        # How many of those who wait want each gate.
        self.wanted: Counter[str] = Counter()

    def has_room(self, passage: Passage) -> bool:
        return all(self.taken[gate] + share <= limit for gate, limit, share in passage)

    def take(self, passage: Passage) -> None:
        for gate, _limit, share in passage:
            self.taken[gate] += share

    def give_back(self, passage: Passage) -> None:
        for gate, _limit, share in passage:
            self.taken[gate] -= share
            if not self.taken[gate]:
                del self.taken[gate]

    def queue(self, passage: Passage, proceed: Callable[[], None]) -> None:
        self.waiting.append((passage, proceed))
        self.wanted.update(one.gate for one in passage)

    def unqueue(self, passage: Passage) -> None:
        for one in passage:
            self.wanted[one.gate] -= 1
            if not self.wanted[one.gate]:
                del self.wanted[one.gate]

    def admit(self) -> list[Callable[[], None]]:
        """Let in those whose turn has come, and return what tells them."""
        turns: list[Callable[[], None]] = []
        still: deque[tuple[Passage, Callable[[], None]]] = deque()
        # Who comes later must not overtake at a gate for which somebody waits.
        closed: set[str] = set()
        while self.waiting and len(closed) < len(self.wanted):
            passage, proceed = self.waiting.popleft()
            gates = {one.gate for one in passage}
            if closed.isdisjoint(gates) and self.has_room(passage):
                self.take(passage)
                self.unqueue(passage)
                turns.append(proceed)
            else:
                closed |= gates
                still.append((passage, proceed))
        self.waiting.extendleft(reversed(still))
        return turns


class GateTable:
    """The gates of all objects.

    Each call enters once, before it runs, all the gates it needs, and waits while it
    is inside of none. So no calls can wait for each other, unless a method itself
    waits for another call of its object.

    Args:
        lock_factory: makes the lock that guards the table; a real one where several
            threads serve calls.
    """

    def __init__(self, lock_factory: Callable[[], AbstractContextManager[Any]]) -> None:
        self._lock = lock_factory()
        # By identity: objects need be neither hashable nor weakly referable.
        # For one call that is alone, just the object and what was entered.
        self._gates: dict[int, _Gates | tuple[object, Passage]] = {}

    def enter(
        self, target: object, passage: Passage, proceed: Callable[[], None]
    ) -> bool:
        """Begin a call, or wait for the turn.

        Args:
            target: the object that is called; of a registered class, the instance.
            passage: the gates to enter.
            proceed: called without arguments, exactly once, when the turn has come,
                by whoever makes room: in another thread, and maybe before this method
                has returned. From then on the call is inside. It must only hand the
                call over to where it runs, not run it. It must not equal that of
                another call that waits.

        Returns:
            Whether the call is inside now; if not, ``proceed`` will be called.
        """
        if self.enter_alone(target, passage):
            return True
        with self._lock:
            gates = self._gates.get(id(target))
            if not isinstance(gates, _Gates):
                inside = () if gates is None else gates[1]
                gates = self._gates[id(target)] = _Gates(target)
                gates.take(inside)
            free = all(one.gate not in gates.wanted for one in passage)
            if free and gates.has_room(passage):
                gates.take(passage)
                return True
            gates.queue(passage, proceed)
            return False

    def enter_alone(self, target: object, passage: Passage) -> bool:
        """Begin a call of an object of which no other is inside or waits.

        Returns:
            Whether the call is inside now.
        """
        if not passage:
            return True
        key = id(target)
        with self._lock:
            if key in self._gates:
                return False
            self._gates[key] = (target, passage)
            return True

    def leave(self, target: object, passage: Passage) -> None:
        """End a call that is inside; the next ones in turn are told to proceed."""
        if not passage:
            return
        key = id(target)
        with self._lock:
            gates = self._gates[key]
            if isinstance(gates, tuple):
                del self._gates[key]
                return
            gates.give_back(passage)
            turns = self._admit(gates)
        _tell(turns)

    async def leave_after(
        self, target: object, passage: Passage, coroutine: Coroutine[Any, Any, Any]
    ) -> Any:
        """Bring a call to its end that is inside, and return its result."""
        try:
            return await coroutine
        finally:
            self.leave(target, passage)

    def withdraw(self, target: object, proceed: Callable[[], None]) -> bool:
        """Give up waiting, as the call was cancelled or has waited too long.

        Returns:
            Whether it still waited, and so will never proceed. If not, its turn has
            come: ``proceed`` was called or is about to be, and the call has to leave.
        """
        with self._lock:
            gates = self._gates.get(id(target))
            if not isinstance(gates, _Gates):
                return False
            for entry in gates.waiting:
                if entry[1] == proceed:
                    break
            else:
                return False
            gates.waiting.remove(entry)
            gates.unqueue(entry[0])
            turns = self._admit(gates)
        _tell(turns)
        return True

    def _admit(self, gates: _Gates) -> list[Callable[[], None]]:
        turns = gates.admit()
        if not gates.taken and not gates.waiting:
            del self._gates[id(gates.target)]
        return turns

    def waiting(self, target: object) -> int:
        """Return how many calls wait for their turn at an object."""
        gates = self._gates.get(id(target))
        return len(gates.waiting) if isinstance(gates, _Gates) else 0

    def __len__(self) -> int:
        """Return how many objects have calls inside or waiting at their gates."""
        return len(self._gates)


def _tell(turns: list[Callable[[], None]]) -> None:
    for proceed in turns:
        try:
            proceed()
        except Exception:
            # The others have their turn all the same.
            _logger.exception("a call whose turn has come could not proceed")


def passage_of_batch(
    members: Members, calls: Sequence[Any], default: Passage | None = None
) -> Passage:
    """Return the gates of all calls of a batch, which it enters at once.

    Args:
        members: what the object offers.
        calls: the calls as they came; malformed ones, and those of unknown methods,
            will not run and need no gate.
        default: the passage of methods for which nothing is marked.
    """
    passages = []
    for call in calls:
        name = call[0] if type(call) in (list, tuple) and call else None
        method = members.methods.get(name) if type(name) is str else None
        if method is not None:
            passage = default if method.passage is None else method.passage
            passages.append(passage or FREE)
    return combined(passages)
