"""What a client has reserved is freed when it is lost."""

from __future__ import annotations

from support.walkthrough import walk


def test_an_instrument_of_a_client_that_crashed_can_be_reserved_again() -> None:
    with walk("resource_tracking") as steps:
        steps.follow()
