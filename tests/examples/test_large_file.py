"""A large file that travels in pieces, with a progress bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.walkthrough import walk

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_is_sent_fetched_and_given_up_halfway(tmp_path: Path) -> None:
    with walk("large_file", replacing={"/tmp/": f"{tmp_path}/"}) as steps:
        steps.follow()
