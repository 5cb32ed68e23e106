"""A subprocess behind a socket pair."""

from __future__ import annotations

from support.walkthrough import walk


def test_a_parser_that_crashes_is_replaced() -> None:
    with walk("subprocess_pair") as steps:
        steps.follow()
