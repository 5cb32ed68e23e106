from __future__ import annotations

import pytest

from pyro_naming.nsc.texts import cut, printable, set_text, span, width


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("lab.camera", "lab.camera"),
        ("Gerät 微", "Gerät 微"),
        ("a\nb\x1b[2J", "a\\nb\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("left\u202eright", "left\\u202eright"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_what_moves_the_cursor_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("微镜", 4), ("e\u0301", 1), ("\uff26", 2)],
)
def test_the_width_is_that_on_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 4, "abc…"),
        ("微镜微镜", 6, "微镜…"),
        # Half of a wide character cannot be shown.
        ("微镜微镜", 7, "微镜微…"),
        ("微镜微镜", 4, "微…"),
    ],
)
def test_a_text_is_cut_to_a_width(text: str, columns: int, shown: str) -> None:
    assert cut(text, columns) == shown
    assert width(shown) <= columns


def test_a_set_has_always_the_same_text() -> None:
    assert set_text({"b", "a", "it's"}) == """{'a', 'b', "it's"}"""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0s"),
        (0.9, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (119 * 60 + 59, "119m"),
        (120 * 60, "2h"),
        (48 * 3600 - 1, "47h"),
        (48 * 3600, "2d"),
    ],
)
def test_a_length_of_time_is_shown_in_the_unit_that_suits_it(
    seconds: float, shown: str
) -> None:
    assert span(seconds) == shown
