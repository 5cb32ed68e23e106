from __future__ import annotations

import pytest

from pyro_naming.storages import Change, HistoryLostError
from pyro_naming.storages.history import History


def with_changes(*numbers: int, length: int = 100, forgotten: int = 0) -> History:
    history = History("here", length, forgotten=forgotten)
    for number in numbers:
        position = history.position(number)
        history.add(number, Change("removed", f"n{number}", None, position))
    return history


def names(history: History, number: int, limit: int = 100) -> list[str]:
    return [change.name for change in history.since(number, limit)]


def test_numbers_may_have_gaps() -> None:
    history = with_changes(2, 5, 9)
    assert names(history, 0) == ["n2", "n5", "n9"]
    assert names(history, 3) == ["n5", "n9"]
    assert names(history, 5) == ["n9"]
    assert names(history, 9) == []


def test_a_limit_gives_the_oldest() -> None:
    assert names(with_changes(2, 5, 9), 0, limit=2) == ["n2", "n5"]


def test_what_does_not_fit_is_forgotten() -> None:
    history = with_changes(2, 5, 9, length=2)
    assert history.forgotten == 2
    assert history.number_of("here-2", 9) == 2
    with pytest.raises(HistoryLostError, match="history lost"):
        history.number_of("here-1", 9)


@pytest.mark.parametrize(
    "position", ["there-5", "here-3", "here-10", "here-\u00b2", "5"]
)
def test_other_positions_are_lost(position: str) -> None:
    history = with_changes(5, 9, forgotten=4)
    with pytest.raises(HistoryLostError, match="read all registrations again"):
        history.number_of(position, 9)
