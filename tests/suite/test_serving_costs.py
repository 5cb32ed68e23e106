"""What a request costs the name server and the web gateway, in bytecodes of ours.

As in `test_costs`, these are the same on a busy machine, and a bound is about a tenth
above what was counted when it was last changed, the most of Python 3.11 to 3.13.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from support.hosting import DEADLINE
from support.programs import clean_environment

PROGRAM: Final = Path(__file__).parent / "programs" / "counting_served.py"

# Of a request in the client, which for the gateway is none of ours, and in the server.
MOST: Final = {
    "look-up, memory": (415, 560),
    "look-up, sqlite": (415, 615),
    "registration, memory": (680, 1_240),
    "registration, sqlite": (680, 1_600),
    "request of the gateway": (0, 1_820),
}


@pytest.fixture(scope="module")
def costs() -> dict[str, dict[str, float]]:
    done = subprocess.run(
        [sys.executable, PROGRAM],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", MOST)
def test_a_request_takes_few_bytecodes(
    costs: dict[str, dict[str, float]], kind: str
) -> None:
    most_in_client, most_in_server = MOST[kind]
    assert costs[kind]["client"] <= most_in_client
    assert costs[kind]["served"] <= most_in_server
