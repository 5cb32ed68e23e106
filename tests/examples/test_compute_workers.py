"""Workers behind one name, of which one dies."""

from __future__ import annotations

from support.walkthrough import walk


def test_a_picture_is_computed_although_a_worker_dies() -> None:
    with walk("compute_workers", staying=("worker.py",)) as steps:
        steps.follow()
