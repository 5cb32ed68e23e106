"""The quick-start pair, run the way a reader runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.walkthrough import walk

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"


@pytest.mark.parametrize("program", ["server.py", "client.py"])
def test_a_side_has_at_most_fifteen_lines(program: str) -> None:
    assert len((QUICKSTART / program).read_text("utf-8").splitlines()) <= 15


def test_the_client_uses_the_server_at_the_address_it_prints() -> None:
    server = subprocess.Popen(
        [sys.executable, "-u", QUICKSTART / "server.py"],
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        try:
            assert server.stdout is not None
            uris = (re.search(r"PYRO:thermostat@\S+", line) for line in server.stdout)
            uri = next((match[0] for match in uris if match), None)
            assert uri is not None
            client = subprocess.run(
                [sys.executable, QUICKSTART / "client.py", uri],
                stdout=subprocess.PIPE,
                text=True,
                timeout=30,
                check=True,
            )
        finally:
            server.terminate()
    assert client.stdout.splitlines() == [
        "Heating the kitchen to 21.0 degrees",
        "Heating the bathroom to 24.5 degrees",
        "Refused: 90.0 degrees is too hot for the hall",
    ]


def test_the_page_is_as_it_says() -> None:
    with walk("quickstart") as steps:
        steps.follow()
