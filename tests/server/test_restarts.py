"""When workers that died are started again."""

from __future__ import annotations

import pytest

from pyro_server.restarts import RestartPolicy


def test_pauses_grow_while_workers_die_soon() -> None:
    policy = RestartPolicy()
    pauses = [policy.died(0.0) for _ in range(12)]
    assert pauses[:5] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])
    assert pauses[-1] == 10.0
    assert policy.died(0.0) == 10.0


def test_a_long_life_begins_anew() -> None:
    policy = RestartPolicy()
    for _ in range(8):
        policy.died(1.0)
    assert policy.hopeless
    assert policy.died(60.0) == 0.1
    assert not policy.hopeless
    assert policy.died(0.0) == 0.1


def test_it_is_hopeless_after_five_short_lives() -> None:
    policy = RestartPolicy()
    for _ in range(4):
        policy.died(0.0)
        assert not policy.hopeless
    policy.died(0.0)
    assert policy.hopeless
    for _ in range(2000):
        assert policy.died(0.0) <= 10.0
