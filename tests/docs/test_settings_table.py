"""The table of settings is what the code makes of itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_of_settings_is_the_one_that_the_code_makes() -> None:
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs_settings.py", "--check"], check=True
    )
