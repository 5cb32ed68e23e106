"""Every target of the fuzzer, tried with a fixed number of damaged good bytes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.cost import bounded_memory
from fuzz.mutations import mutated
from fuzz.targets import TARGETS

# Unusual serpent text is read by Python's parser, which has its own opinion of it.
pytestmark = pytest.mark.filterwarnings("ignore::SyntaxWarning")


@pytest.mark.parametrize("name", TARGETS)
def test_the_good_bytes_to_begin_with_are_good(name: str) -> None:
    for data in TARGETS[name].seeds():
        bounded_memory(TARGETS[name].run, data)


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_bytes_do_no_harm_and_cost_little(name: str) -> None:
    seeds = [data for data in TARGETS[name].seeds() if len(data) < 4096]

    # The same examples every time: what is random is the fuzzer's business.
    @settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=400,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=mutated(seeds))
    def try_them(data: bytes) -> None:
        bounded_memory(TARGETS[name].run, data)

    try_them()


@pytest.mark.parametrize("name", TARGETS)
def test_noise_does_no_harm(name: str) -> None:
    @settings(derandomize=True, database=None, deadline=None, max_examples=100)
    @given(data=st.binary(max_size=200))
    def try_it(data: bytes) -> None:
        bounded_memory(TARGETS[name].run, data)

    try_it()
