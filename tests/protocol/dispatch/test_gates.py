from __future__ import annotations

import threading
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from pyro_protocol import concurrency, expose
from pyro_protocol.contract import members_of
from pyro_protocol.contract.concurrency import FREE, SERIAL, Passage, Requirement
from pyro_protocol.dispatch import GateTable, passage_of_batch

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM = 4
ONE = (Requirement("", ROOM, 1),)
ALL = (Requirement("", ROOM, ROOM),)
OWN = (Requirement("own", 2, 1),)
BOTH = ONE + OWN


class Slotted:
    __slots__ = ()


class Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def table() -> GateTable:
    return GateTable(nullcontext)


class Turns:
    """Notes who was told to proceed, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def of(self, name: str) -> Callable[[], None]:
        def proceed() -> None:
            self.told.append(name)

        return proceed


def test_calls_beyond_the_limit_wait_and_come_in_order() -> None:
    gates, target, turns = table(), object(), Turns()

    assert gates.enter(target, SERIAL, turns.of("first"))
    assert not gates.enter(target, SERIAL, turns.of("second"))
    assert not gates.enter(target, SERIAL, turns.of("third"))
    assert gates.waiting(target) == 2
    gates.leave(target, SERIAL)
    assert turns.told == ["second"]
    gates.leave(target, SERIAL)
    assert turns.told == ["second", "third"]


def test_a_writer_who_waits_is_not_overtaken_by_readers() -> None:
    gates, target, turns = table(), object(), Turns()

    assert gates.enter(target, ONE, turns.of("reader inside"))
    assert not gates.enter(target, ALL, turns.of("writer"))
    assert not gates.enter(target, ONE, turns.of("reader 1"))
    assert not gates.enter(target, ONE, turns.of("reader 2"))
    gates.leave(target, ONE)
    assert turns.told == ["writer"]
    gates.leave(target, ALL)
    assert turns.told == ["writer", "reader 1", "reader 2"]


def test_when_the_first_in_line_gives_up_those_behind_it_may_come_in() -> None:
    gates, target, turns = table(), object(), Turns()
    writer = turns.of("writer")
    gates.enter(target, ONE, turns.of("inside"))
    gates.enter(target, ALL, writer)
    gates.enter(target, ONE, turns.of("reader"))

    assert gates.withdraw(target, writer)

    assert turns.told == ["reader"]


def test_who_gives_up_too_late_is_told_so() -> None:
    gates, target, turns = table(), object(), Turns()
    second = turns.of("second")
    gates.enter(target, SERIAL, turns.of("first"))
    gates.enter(target, SERIAL, second)
    gates.leave(target, SERIAL)

    assert not gates.withdraw(target, second)
    assert turns.told == ["second"]
    assert not gates.withdraw(object(), second)


def test_a_call_with_a_free_passage_never_waits_and_leaves_no_trace() -> None:
    gates, target, turns = table(), object(), Turns()
    gates.enter(target, SERIAL, turns.of("move"))

    assert gates.enter(target, FREE, turns.of("stop"))
    gates.leave(target, FREE)

    assert not gates.enter(target, SERIAL, turns.of("next move"))


def test_gates_of_one_object_do_not_hold_up_each_other() -> None:
    gates, target, turns = table(), object(), Turns()
    gates.enter(target, SERIAL, turns.of("inside"))
    gates.enter(target, SERIAL, turns.of("waiting"))

    assert gates.enter(target, OWN, turns.of("beside"))


def test_a_batch_waits_for_all_its_gates_while_it_is_inside_of_none() -> None:
    gates, target, turns = table(), object(), Turns()
    gates.enter(target, ALL, turns.of("writer"))

    assert not gates.enter(target, BOTH, turns.of("batch"))
    # It is next at the other gate as well, so that it cannot wait for ever.
    assert not gates.enter(target, OWN, turns.of("later"))
    gates.leave(target, ALL)

    assert turns.told == ["batch", "later"]


def test_one_who_fails_to_proceed_does_not_keep_others_from_it() -> None:
    gates, target, turns = table(), object(), Turns()

    def fail() -> None:
        raise RuntimeError("the event loop is closed")

    gates.enter(target, ALL, turns.of("inside"))
    gates.enter(target, ONE, fail)
    gates.enter(target, ONE, turns.of("other"))
    gates.leave(target, ALL)

    assert turns.told == ["other"]


@pytest.mark.parametrize("target", [Slotted(), Unhashable(), [], 7, None])
def test_any_object_can_have_gates_and_nothing_is_kept_of_one_at_rest(
    target: object,
) -> None:
    gates, turns = table(), Turns()

    assert gates.enter(target, SERIAL, turns.of("first"))
    assert not gates.enter(target, SERIAL, turns.of("second"))
    assert len(gates) == 1
    gates.leave(target, SERIAL)
    gates.leave(target, SERIAL)

    assert len(gates) == 0


def test_who_enters_alone_is_waited_for_and_does_not_wait_itself() -> None:
    gates, target, turns = table(), object(), Turns()

    assert gates.enter_alone(target, BOTH)
    assert not gates.enter_alone(target, ONE)
    assert not gates.enter(target, ALL, turns.of("all"))
    assert gates.enter(target, OWN, turns.of("own"))
    gates.leave(target, OWN)
    assert (gates.waiting(target), turns.told) == (1, [])
    gates.leave(target, BOTH)
    assert turns.told == ["all"]
    gates.leave(target, ALL)
    assert len(gates) == 0


def test_equal_objects_have_gates_of_their_own() -> None:
    gates, turns = table(), Turns()

    assert gates.enter(Unhashable(), SERIAL, turns.of("one"))
    assert gates.enter(Unhashable(), SERIAL, turns.of("other"))


def test_threads_come_in_one_at_a_time_and_all_of_them() -> None:
    gates, target = GateTable(threading.Lock), object()
    inside, most, done = Counter[str](), 0, 0

    def visit() -> None:
        nonlocal most, done
        for _ in range(100):
            turn = threading.Event()
            if not gates.enter(target, SERIAL, turn.set):
                assert turn.wait(30), "the turn never came"
            inside["now"] += 1
            most = max(most, inside["now"])
            done += 1
            inside["now"] -= 1
            gates.leave(target, SERIAL)

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert (most, done, len(gates)) == (1, 400, 0)


def test_a_batch_needs_the_gates_of_its_calls() -> None:
    @expose
    class Thing:
        def unmarked(self) -> None: ...

        @concurrency(2)
        def bounded(self) -> None: ...

        @concurrency("unlimited")
        def free(self) -> None: ...

    members = members_of(Thing)
    plain = [("unmarked", (), {}), ["free", (), {}]]
    bounded = [*plain, ("bounded", (), {}), ("bounded", (), {})]

    assert passage_of_batch(members, plain) == FREE
    assert passage_of_batch(members, plain, SERIAL) == SERIAL
    assert passage_of_batch(members, [("free", (), {})], SERIAL) == FREE
    assert passage_of_batch(members, bounded) == (Requirement("bounded", 2, 1),)


def test_malformed_calls_of_a_batch_need_no_gate() -> None:
    members = members_of(Slotted)

    assert passage_of_batch(members, [(), None, "x", [[]], ({},), (1,)], SERIAL) == FREE


class Visits(RuleBasedStateMachine):
    """Against a list of who waits, gone through anew after every step."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = table()
        self.target = object()
        self.inside: dict[int, Passage] = {}
        self.waiting: dict[int, Passage] = {}
        self.proceeds: dict[int, Callable[[], None]] = {}
        self.told: list[int] = []
        self.expected: list[int] = []
        self.number = 0

    def admit(self) -> None:
        closed: set[str] = set()
        for number, passage in list(self.waiting.items()):
            names = {one.gate for one in passage}
            if not closed & names and self.fits(passage):
                self.inside[number] = self.waiting.pop(number)
                self.expected.append(number)
            else:
                closed |= names

    def fits(self, passage: Passage) -> bool:
        return all(self.taken(one.gate) + one.share <= one.limit for one in passage)

    def taken(self, gate: str) -> int:
        shares = (one for passage in self.inside.values() for one in passage)
        return sum(one.share for one in shares if one.gate == gate)

    @rule(passage=st.sampled_from([ONE, ALL, OWN, BOTH, FREE]))
    def come(self, passage: Passage) -> None:
        self.number += 1
        number = self.number

        def proceed() -> None:
            self.told.append(number)

        self.waiting[number] = passage
        self.proceeds[number] = proceed
        self.admit()
        entered = self.gates.enter(self.target, passage, proceed)
        assert entered is (number in self.inside)
        if entered:
            self.expected.remove(number)

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        passage = self.inside.pop(data.draw(st.sampled_from(sorted(self.inside))))
        self.admit()
        self.gates.leave(self.target, passage)

    @precondition(lambda self: self.number)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, self.number))
        waited = self.waiting.pop(number, None) is not None
        self.admit()
        assert self.gates.withdraw(self.target, self.proceeds[number]) is waited

    @invariant()
    def those_were_told_whose_turn_has_come_in_order(self) -> None:
        assert self.told == self.expected

    @invariant()
    def all_others_wait(self) -> None:
        assert self.gates.waiting(self.target) == len(self.waiting)
        assert bool(len(self.gates)) is any([*self.inside.values(), *self.waiting])

    def teardown(self) -> None:
        while self.inside:
            passage = self.inside.pop(next(iter(self.inside)))
            self.admit()
            self.gates.leave(self.target, passage)
        assert not self.waiting
        assert len(self.gates) == 0
        assert self.told == self.expected


TestVisits = Visits.TestCase
