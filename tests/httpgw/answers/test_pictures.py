"""Pictures by their first bytes."""

from __future__ import annotations

import pytest

from pyro_httpgw.answers.pictures import PICTURES, picture_type

BMP = b"BM\x46\0\0\0" + bytes(4) + b"\x36\0\0\0" + b"\x28\0\0\0"
BEGINNINGS = {
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF",
    "image/gif": b"GIF89a\1\0",
    "image/webp": b"RIFF\x24\n\0\0WEBPVP8 ",
    "image/bmp": BMP,
    "image/tiff": b"II*\0\x08\0\0\0",
}


@pytest.mark.parametrize("media_type", PICTURES)
def test_each_kind_is_recognised(media_type: str) -> None:
    data = BEGINNINGS[media_type]
    assert picture_type(data) == media_type
    assert picture_type(bytearray(data)) == media_type
    assert picture_type(memoryview(data)) == media_type


@pytest.mark.parametrize("media_type", PICTURES)
def test_less_than_a_beginning_is_none(media_type: str) -> None:
    data = BEGINNINGS[media_type]
    for length in range(3):
        assert picture_type(data[:length]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BMW is a car, and no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html>",
        b"RIFF\x24\n\0\0WAVEfmt ",
        b" \x89PNG\r\n\x1a\n",
    ],
)
def test_nothing_else_is_one(data: bytes) -> None:
    assert picture_type(data) is None
