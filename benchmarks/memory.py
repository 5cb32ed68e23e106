"""The memory of another process."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["own_memory"]


def own_memory(process_id: int) -> int:
    """Return the bytes of a process's memory that come from no file."""
    rollup = Path(f"/proc/{process_id}/smaps_rollup").read_text("ascii")
    found = re.search(r"^Anonymous:\s*(\d+) kB$", rollup, re.MULTILINE)
    assert found
    return int(found[1]) * 1024
