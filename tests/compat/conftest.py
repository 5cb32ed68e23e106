"""Programs written for another Pyro, run with it and with what stands in for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.peers import pyro5_python

_PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture
def pyro5() -> Path:
    """The interpreter of an environment with the real Pyro5."""
    return pyro5_python()


@pytest.fixture
def pyro5_programs() -> Path:
    """The folder of the programs written for Pyro5."""
    return _PROGRAMS / "pyro5"
