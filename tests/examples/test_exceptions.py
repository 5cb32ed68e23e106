"""What can go wrong, and what a caller sees of it."""

from __future__ import annotations

from support.walkthrough import walk


def test_each_failure_is_what_the_lesson_says() -> None:
    with walk("exceptions") as steps:
        steps.follow()
