"""Classes of a program's own, between two programs."""

from __future__ import annotations

from support.walkthrough import walk


def test_objects_arrive_as_what_they_were() -> None:
    with walk("custom_classes", staying=("custom_classes.server",)) as steps:
        steps.follow()
