"""Clients that are killed in the middle of their work leave nothing behind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from server.robustness.world import PROGRAMS
from support.programs import Program

if TYPE_CHECKING:
    from server.robustness.world import Callers, ServerProcess

_KILLS: Final = 140
"""For each server type; ``soak.py`` kills as many as it is told to."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_clients_leave_nothing_and_disturb_nobody(
    server: ServerProcess, callers: Callers
) -> None:
    killing = Program(PROGRAMS / "killed.py", server.location, str(_KILLS))
    with killing:
        assert killing.wait() == 0, killing.lines
    assert f"KILLED {_KILLS}" in killing.lines
