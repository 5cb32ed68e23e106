from __future__ import annotations

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_naming.patterns import (
    LONGEST_PATTERN,
    PatternProcess,
    compile_pattern,
    is_quick,
    matching_names,
    plain_start,
)
from pyro_protocol.errors import NamingError

NAMES = ["house.hall", "house.kitchen", "garden", "\ud800", "ünïcode"]


def test_a_pattern_is_ready_for_use() -> None:
    assert compile_pattern(r"a\.b").match("a.bc")


@pytest.mark.parametrize("text", ["(", "*", "[", "a{5,2}", "(?P<x>a)(?P<x>b)", "\\"])
def test_an_invalid_pattern_is_refused(text: str) -> None:
    with pytest.raises(NamingError, match="invalid regex: "):
        compile_pattern(text)


def test_a_pattern_has_a_bounded_length() -> None:
    compile_pattern("a" * LONGEST_PATTERN)
    with pytest.raises(NamingError, match="at most 200"):
        compile_pattern("a" * (LONGEST_PATTERN + 1))


@pytest.mark.parametrize("wrong", [5, b"a", ["a"]])
def test_a_pattern_is_text(wrong: Any) -> None:
    with pytest.raises(TypeError, match="regex must be text"):
        compile_pattern(wrong)


@pytest.mark.parametrize("text", ["house", r"house\.", ".*", "[a-z]+.[a-z]+", "a?"])
def test_what_most_people_write_is_quick(text: str) -> None:
    assert is_quick(compile_pattern(text), NAMES)


@pytest.mark.parametrize(
    "text", ["(a+)+b", "(a|aa)*b", "a{1,50}b", r"(a*)\1", "a?" * 30 + "a" * 30]
)
def test_what_could_take_long_is_not(text: str) -> None:
    assert not is_quick(compile_pattern(text), ["a" * 30])


def test_long_names_make_a_pattern_slow() -> None:
    pattern = compile_pattern(".*a.*b")
    assert is_quick(pattern, ["a" * 100])
    assert not is_quick(pattern, ["a" * 10_000])


def test_a_thread_that_matches_leaves_the_others_their_time() -> None:
    pattern = compile_pattern(r"(house\..*n|\ud800|ünï)")
    assert matching_names(pattern, NAMES) == ["house.kitchen", "\ud800", "ünïcode"]
    assert matching_names(compile_pattern("house"), NAMES) == [
        name for name in NAMES if name.startswith("house")
    ]
    with ThreadPoolExecutor(1) as thread:
        # If it were matched in this process, this would take for ever.
        costly = compile_pattern("(a+)+b")
        matching = thread.submit(matching_names, costly, ["a" * 50], 0.2)
        with pytest.raises(NamingError, match=r"more than 0\.2 seconds"):
            matching.result()


def test_a_process_finds_the_names_that_match() -> None:
    async def match() -> list[str]:
        pattern = compile_pattern(r"(house\..*n|\ud800|ünï)")
        return await PatternProcess().matching(pattern, NAMES)

    assert asyncio.run(match()) == ["house.kitchen", "\ud800", "ünïcode"]


def test_what_takes_too_long_is_given_up() -> None:
    async def match() -> None:
        await PatternProcess(0.2).matching(compile_pattern("(a+)+b"), ["a" * 50])

    with pytest.raises(NamingError, match=r"more than 0\.2 seconds"):
        asyncio.run(match())


@pytest.mark.parametrize(
    ("regex", "start"),
    [
        ("house", "house"),
        (r"^house\.k", "house.k"),
        (r"lab\.\-\_x.*", "lab.-_x"),
        ("lab.x", "lab"),
        ("labs?", "lab"),
        ("labs*x", "lab"),
        ("labs+x", "lab"),
        ("labs{2}", "lab"),
        (r"lab\.?x", "lab"),
        ("lab[ab]", "lab"),
        ("lab(x)", "lab"),
        ("(?i)lab", ""),
        ("lab|other", ""),
        ("lab(a|b)", ""),
        (r"\d", ""),
        (r"a\d", "a"),
        ("a$", "a"),
        ("", ""),
        ("ünï cö#", "ünï cö#"),
        (r"a\\b", "a\\b"),
    ],
)
def test_what_a_pattern_begins_with_narrows_the_search(regex: str, start: str) -> None:
    assert plain_start(compile_pattern(regex)) == start


@given(
    st.text("ab.\\^$*+?{}[]|()-_ 1d\n", max_size=8), st.text("ab.-_ 1\n", max_size=6)
)
def test_no_name_that_matches_is_passed_over(regex: str, name: str) -> None:
    try:
        with warnings.catch_warnings():
            # What looks like nested sets may mean something else in the future.
            warnings.simplefilter("ignore", FutureWarning)
            pattern = compile_pattern(regex)
    except NamingError:
        return
    if pattern.match(name):
        assert name.startswith(plain_start(pattern))
