"""Many calls in one request."""

from __future__ import annotations

from support.walkthrough import walk


def test_many_calls_travel_together_and_end_at_the_first_that_fails() -> None:
    with walk("batches") as steps:
        steps.follow()
