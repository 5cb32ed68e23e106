"""Which bytes are a picture that browsers show."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PICTURES", "picture_type"]

# By how a file begins. Nothing that can hold a script is among them, such as SVG.
_BEGINNINGS: Final = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    # Two letters are in many things: the reserved bytes and the size of the
    # second header count as well.
    (
        "image/bmp",
        re.compile(rb"BM.{4}\0{4}.{4}[\x0c\x28\x34\x38\x6c\x7c]\0", re.DOTALL),
    ),
    ("image/tiff", re.compile(rb"II\*\0|MM\0\*")),
)

PICTURES: Final = tuple(media_type for media_type, _beginning in _BEGINNINGS)
"""The media types that are recognised."""


def picture_type(data: bytes | bytearray | memoryview) -> str | None:
    """Return the media type of a picture, or None if the bytes are none."""
    for media_type, beginning in _BEGINNINGS:
        if beginning.match(data):
            return media_type
    return None
