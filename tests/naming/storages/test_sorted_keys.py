from __future__ import annotations

import random
from bisect import bisect_left, bisect_right

import pytest

from pyro_naming.storages.sorted_keys import SortedKeys


@pytest.mark.parametrize("loaded", [0, 1, 700, 2500])
def test_keys_stay_in_order_while_they_come_and_go(loaded: int) -> None:
    chance = random.Random(loaded)
    everything = [f"{number:05}" for number in range(6000)]
    expected = sorted(chance.sample(everything, loaded))
    keys = SortedKeys(reversed(expected))
    present = set(expected)
    for round_ in range(4):
        for key in chance.sample(everything, 3000):
            # Rounds of growth and of decline, down to nothing.
            if key not in present and round_ % 2 == 0:
                keys.add(key)
                present.add(key)
            elif key in present and round_ % 2:
                keys.remove(key)
                present.remove(key)
        if round_ == 3:
            for key in chance.sample(sorted(present), len(present)):
                keys.remove(key)
            present.clear()
        expected = sorted(present)
        assert list(keys) == expected
        assert len(keys) == len(expected)
        for key in ["", *chance.sample(everything, 20), "~"]:
            start = bisect_left(expected, key)
            assert list(keys.beginning_at(key)) == expected[start:]
            assert list(keys.beyond(key)) == expected[bisect_right(expected, key) :]
