"""What hostile bytes cost in memory, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import peaks

PROGRAM = Path(peaks.__file__)
CLEAR_REFS = Path("/proc/self/clear_refs")

pytestmark = pytest.mark.skipif(
    not CLEAR_REFS.exists(), reason="the peak of a process is read as on Linux"
)


@pytest.mark.parametrize("name", peaks.CASES)
def test_the_peak_is_a_stated_multiple_of_what_has_arrived(name: str) -> None:
    case = peaks.CASES[name]
    result = subprocess.run(
        [sys.executable, str(PROGRAM), name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    size, grown = map(int, result.stdout.split())
    assert grown <= case.base + case.factor * size
