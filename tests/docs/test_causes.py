"""The page about trouble says what the doctor says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_has_every_cause_that_the_doctor_knows() -> None:
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs_causes.py", "--check"], check=True
    )
