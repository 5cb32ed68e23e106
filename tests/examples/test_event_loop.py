"""asyncio on both sides."""

from __future__ import annotations

import signal

from support.walkthrough import walk


def test_calls_overlap_and_are_given_up_on_both_sides() -> None:
    with walk("event_loop") as steps:
        steps.follow()
        assert steps.program("server.py").end(signal.SIGTERM) == 0
