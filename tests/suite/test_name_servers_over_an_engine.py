"""Several name servers over one engine, of which any may die at any moment."""

from __future__ import annotations

import pytest

from support.engines import ENGINES
from support.name_trial import NameTrial

_SEED = 20_240

# Twelve processes have to start, and some of them several times: ten seconds where
# nothing else runs, and minutes where other tests do.
pytestmark = pytest.mark.timeout(400)


@pytest.mark.parametrize("kind", list(ENGINES))
def test_no_client_notices_that_name_servers_and_the_engine_are_killed(
    kind: str,
) -> None:
    with ENGINES[kind]() as engine, NameTrial(engine, _SEED) as trial:
        for _ in range(2):
            trial.kill_a_name_server()
        trial.restart_the_engine()
        for _ in range(2):
            trial.kill_a_name_server()
        figures = trial.end()
    assert figures.wrong == []
    # Nothing that was acknowledged is lost, and nothing removed is back.
    assert figures.registered == [figures.expected] * 3
    assert figures.watched == figures.expected
    # Of all who wanted to be the first, one was.
    assert len(set(figures.claims)) == len(figures.claims)
    assert figures.claims
