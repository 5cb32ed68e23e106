"""Everything at the same time, at random: each answer is right, and nothing is left."""

from __future__ import annotations

import sys
from itertools import count
from typing import TYPE_CHECKING

import pytest

from server.robustness.mixture import mix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.config import Configuration
    from pyro_server import Daemon

_SEED = 20
_BURSTS = 200
"""How many times the clients look whether it is over, all together. ``mix.py`` goes on
for as long as it is told to."""


@pytest.fixture(params=[1e-6, 5e-3], ids=["switching", "usual"])
def _switching(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the threads change places in the middle of everything."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(request.param)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_switching")
@pytest.mark.parametrize("workers", [2, 80])
def test_a_mixture_of_everything_is_answered_and_leaves_nothing(
    start: Callable[..., Daemon], settings: Configuration, workers: int
) -> None:
    settings.THREADPOOL_SIZE, settings.THREADPOOL_SIZE_MIN = workers, 2
    settings.ITER_STREAM_LINGER = 0.0
    looks = count()
    mix(start(), _SEED, clients=6, over=lambda: next(looks) > _BURSTS)
