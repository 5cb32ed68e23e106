"""A client whose proxy has the type of a class."""

from __future__ import annotations

from support.walkthrough import walk


def test_the_client_uses_the_arm_and_hears_of_a_class_that_does_not_fit() -> None:
    with walk("typed_client") as steps:
        steps.follow()
