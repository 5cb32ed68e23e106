from __future__ import annotations

from json import JSONDecoder
from typing import Any

import pytest

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.limits import EQUAL_HASHES_LIMIT
from pyro_protocol.serializers.serpent_marks import (
    CONSTANTS,
    UnlikeError,
    container,
    mark,
)

MODULUS = 2**61 - 1
_decoder = JSONDecoder(object_pairs_hook=container, parse_constant=CONSTANTS.get)


def read(outside: str, *strings: str) -> Any:
    """Return the value of a text in which quotes stand for strings."""
    text = mark(outside)
    for string in strings:
        text = text.replace("'", f'"{string}"', 1)
    return _decoder.decode(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[]", []),
        ("{}", {}),
        ("()", ()),
        ("(1,)", (1,)),
        ("(1,2,)", (1, 2)),
        ("{1}", {1}),
        ("{1,(2,)}", {1, (2,)}),
        ("{1:[2],(3,):{}}", {1: [2], (3,): {}}),
        ("[{1:2},{3:{4:{5}}}]", [{1: 2}, {3: {4: {5}}}]),
    ],
)
def test_containers_are_read(text: str, value: object) -> None:
    assert repr(read(text)) == repr(value)


def test_strings_and_bytes_are_told_apart() -> None:
    assert read("{':b',b':'}", "a", "b", "c", "d") == {"a": b"b", b"c": "d"}
    assert read("b'", r"\u00ff") == b"\xff"


@pytest.mark.parametrize(
    "text",
    [
        "[1)",
        "(1]",
        "{1)",
        "({1)}",
        "(1)",
        "[(1],[2)]",
        "[1:2]",
        "(1:2,)",
        "{1:2,3}",
        "{1,2:3}",
        "{1:2:3}",
        "{1::2}",
        "{1:2,}",
        "1:2",
        "(,)",
        "{:}",
    ],
)
def test_what_does_not_match_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it is JSON's own, or ours
        read(text)


def test_what_has_no_hash_is_refused() -> None:
    for text in ("{[]}", "{{}:1}"):
        with pytest.raises(TypeError):
            read(text)


def test_keys_with_equal_hashes_are_limited() -> None:
    numbers = [MODULUS * number for number in range(EQUAL_HASHES_LIMIT + 1)]
    pairs = ",".join(f"{number}:0" for number in numbers)
    for inside in (pairs, pairs.replace(":0", "")):
        with pytest.raises(SerializeError, match="same hash"):
            read("{" + inside + "}")


def test_brackets_that_are_not_balanced_mean_something_else() -> None:
    with pytest.raises(UnlikeError):
        container([("t", [1]), ("D", 0)])
