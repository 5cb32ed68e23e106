"""Arrays of numpy between two programs."""

from __future__ import annotations

import pytest

from support.walkthrough import walk


def test_images_arrive_as_arrays() -> None:
    pytest.importorskip("numpy")
    with walk("camera_images", staying=("camera_images.server",)) as steps:
        steps.follow()
