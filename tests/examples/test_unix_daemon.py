"""An agent that is started when it is needed, and ends when it is not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from support.programs import Program
from support.walkthrough import EXAMPLES, walk

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the system tells who has connected on Linux only"
)


def test_the_first_client_starts_the_agent_that_the_others_use(tmp_path: Path) -> None:
    socket = tmp_path / "agent.sock"
    settings = {"AGENT_SOCKET": str(socket), "AGENT_IDLE": "60"}
    with walk("unix_daemon", settings=settings) as steps:
        steps.follow()


def test_the_agent_ends_by_itself_when_nobody_needs_it(tmp_path: Path) -> None:
    socket = tmp_path / "agent.sock"
    settings = {"AGENT_SOCKET": str(socket), "AGENT_IDLE": "0"}
    with Program(EXAMPLES / "unix_daemon" / "agent.py", settings=settings) as agent:
        agent.wait_for("ready")
        assert agent.wait() == 0
    assert not socket.exists()
