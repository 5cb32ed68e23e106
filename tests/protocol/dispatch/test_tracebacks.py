from __future__ import annotations

import pytest

from pyro_protocol import URI
from pyro_protocol.dispatch.tracebacks import remote_traceback
from pyro_protocol.errors import PyroError


class Unprintable:
    def __repr__(self) -> str:
        raise ZeroDivisionError


class Method:
    def __init__(self) -> None:
        self.secret = "attribute value"

    def call(self, argument: object) -> None:
        text = "x" * 5000
        self.inner(text)

    def inner(self, text: str) -> None:
        broken = Unprintable()
        raise ValueError("bad", len(text), broken is None)


def failed() -> ValueError:
    try:
        Method().call("value of the argument")
    except ValueError as error:
        return error
    raise AssertionError


def test_the_text_is_that_of_an_ordinary_traceback() -> None:
    lines = remote_traceback(failed(), detailed=False)

    text = "".join(lines)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("ValueError: ('bad', 5000, False)\n")
    assert "in inner" in text
    assert "attribute value" not in text


def test_an_exception_that_was_never_raised_has_a_short_text() -> None:
    assert remote_traceback(ValueError("bad"), detailed=False) == ["ValueError: bad\n"]


def test_the_detailed_text_shows_the_values_of_local_variables() -> None:
    text = "".join(remote_traceback(failed(), detailed=True))

    assert text.startswith("-" * 52 + "\nValueError: ")
    assert "    argument = 'value of the argument'\n" in text
    assert "        self.secret = 'attribute value'\n" in text
    assert "in Method.inner\n" in text
    assert 'raise ValueError("bad"' in text


def test_a_value_whose_repr_fails_is_named_as_such() -> None:
    text = "".join(remote_traceback(failed(), detailed=True))

    assert "    broken = <repr failed: ZeroDivisionError>\n" in text


def test_huge_values_are_cut_off() -> None:
    lines = remote_traceback(failed(), detailed=True)

    assert max(map(len, lines)) < 1100


def test_the_first_frame_of_the_program_shows_its_values_too() -> None:
    text = "".join(remote_traceback(failed(), detailed=True))

    first_frame = text.split("-" * 52)[2]
    assert "in failed" in first_frame
    assert "local values" in first_frame


def test_frames_of_this_library_show_no_values() -> None:
    with pytest.raises(PyroError) as caught:
        URI("no uri")

    text = "".join(remote_traceback(caught.value, detailed=True))
    *_others, frame, _end = text.split("-" * 52)
    assert "in _parse" in frame
    assert "local values" not in frame


def test_causes_contexts_and_groups_are_in_the_text() -> None:
    error = ExceptionGroup("several", [failed()])
    error.__cause__ = KeyError("first")

    text = "".join(remote_traceback(error, detailed=False))

    assert "KeyError: 'first'" in text
    assert "direct cause" in text
    assert "in inner" in text


def test_half_a_surrogate_pair_is_written_so_that_it_can_travel() -> None:
    (line,) = remote_traceback(ValueError("\ud800 ü"), detailed=False)

    assert line == "ValueError: \\ud800 ü\n"


@pytest.mark.parametrize("detailed", [True, False])
def test_an_exception_that_python_cannot_show_has_a_text_all_the_same(
    detailed: bool,
) -> None:
    error = SyntaxError("bad", ("file", 1, "no column", "text"))  # type: ignore[arg-type] # the point

    (line,) = remote_traceback(error, detailed=detailed)

    assert line == "SyntaxError: <no traceback: TypeError>\n"
