from __future__ import annotations

from pyro_naming.ring import ChangeRing
from pyro_naming.storages.interface import Change


def change(number: int) -> Change:
    return Change("removed", f"x.{number}", None, f"p{number}")


def filled(length: int, count: int) -> ChangeRing:
    ring = ChangeRing(length)
    ring.begin("p0")
    for number in range(1, count + 1):
        ring.extend([change(number)])
    return ring


def test_what_has_come_after_a_position_is_found() -> None:
    ring = filled(10, 5)
    assert ring.head == "p5"
    assert ring.since("p0", 10) == [change(number) for number in range(1, 6)]
    assert ring.since("p3", 1) == [change(4)]
    assert ring.since("p5", 10) == []


def test_other_positions_are_not_known() -> None:
    ring = filled(10, 5)
    assert ring.since("p6", 10) is None
    assert ring.since("", 10) is None
    ring.begin("p9")
    assert ring.since("p5", 10) is None
    assert ring.since("p9", 10) == []
    ring.clear()
    assert ring.since("p9", 10) is None
    assert ring.head is None


def test_what_is_kept_is_bounded() -> None:
    ring = filled(10, 1000)
    known = [n for n in range(1001) if ring.since(f"p{n}", 1000) is not None]
    assert 10 < len(known) <= 21
    assert known[-1] == 1000
    for number in known:
        assert ring.since(f"p{number}", 1000) == [
            change(later) for later in range(number + 1, 1001)
        ]
