from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers import serpent_shortcuts
from pyro_protocol.serializers.serpent import SerpentSerializer
from pyro_protocol.serializers.serpent_reader import NESTING_LIMIT, read_serpent
from pyro_protocol.serializers.serpent_shortcuts import read_call, read_value

if TYPE_CHECKING:
    from collections.abc import Callable

SERPENT = SerpentSerializer(bytes_repr=True)

# What JSON and Python, or the inside and the outside of a string, may disagree about.
PIECES = [
    "'", '"', "\\", "(", ")", "[", "]", "{", "}", ",", ":", "',(", "),{", "','", ",('",
    "),None)", "})", "null", "true", "false", "NaN", "-Infinity", "Infinity", "None",
    "True", "False", "\\u0000", "\\u0001", "\\x00", "\\/", "\\ud83d\\ude00", "'a'}",
    "__class__", "é", "a", "b", "0", "1", "-", ".", "e", "j", "(1)", "(1,)", "()",
    "set()", "...", "1e5", "]}", "[)", "\\'", '\\"', "\\\\", "#", "'a'", "'a':", "{1}",
    "-0", "00", "1_0", ".5", "5.", "b'a'", "1e999", "{'\\x00':[1],'\\x01':0}", ",,",
    ",)", "(,)", "{'a':1}", "{}", "[]", "[1,]", " ", "\n", "\t", "\0", "\1", "\x7f",
    "\xa0", "\u2028",
]  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=3)
)
values = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.sets(texts | st.integers(), max_size=2)
        | st.dictionaries(texts | st.integers() | st.tuples(texts), inner, max_size=3)
    ),
    max_leaves=8,
)


def written(value: object) -> str:
    return SERPENT.dumps(value).decode().partition("\n")[2]


def written_call(args: object, kwargs: dict[str, Any] | None) -> str:
    call = SERPENT.dumps_call("object", "method", (args,), kwargs)
    return call.decode().partition("\n")[2]


def holds_class(value: object) -> bool:
    if isinstance(value, dict):
        return "__class__" in value or any(map(holds_class, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_class, value))


def outcome(
    read: Callable[[str, int], tuple[Any, bool]], text: str, max_nesting: int
) -> tuple[object, str]:
    """Return the type and the text of what is read or raised."""
    try:
        value, noticed = read(text, max_nesting)
    except (SerializeError, ValueError, SyntaxError, TypeError) as error:
        return type(error), re.sub("0x[0-9a-f]+", "", str(error))
    # There may be none where some are suspected.
    assert noticed or not holds_class(value)
    return type(value), repr(value)


def check_same(text: str, max_nesting: int = NESTING_LIMIT) -> None:
    """Check that a text is read, or refused, as if there were no shortcuts."""
    expected = outcome(read_serpent, text, max_nesting)
    assert outcome(read_value, text, max_nesting) == expected
    assert outcome(read_call, text, max_nesting) == expected


@settings(deadline=None, max_examples=100)
@given(value=values, kwargs=st.none() | st.dictionaries(texts, values, max_size=2))
def test_what_is_written_is_read_as_without_shortcuts(
    value: object, kwargs: dict[str, Any] | None
) -> None:
    check_same(written(value))
    check_same(written_call(value, kwargs))


@settings(deadline=None, max_examples=200)
@given(
    value=values,
    in_call=st.booleans(),
    changes=st.lists(
        st.tuples(
            st.integers(0, 60), st.integers(0, 3), st.sampled_from(["", *PIECES])
        ),
        max_size=3,
    ),
)
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_damaged_text_is_read_or_refused_as_without_shortcuts(
    value: object, in_call: bool, changes: list[tuple[int, int, str]]
) -> None:
    text = written_call(value, {"a": value}) if in_call else written(value)
    for start, size, piece in changes:
        text = text[:start] + piece + text[start + size :]
    check_same(text)
    check_same(text, 2)


@settings(deadline=None, max_examples=100)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_any_text_is_read_or_refused_as_without_shortcuts(pieces: list[str]) -> None:
    check_same("".join(pieces))
    check_same(f"('o','m',({''.join(pieces)}),{{}})")


@pytest.mark.parametrize(
    "text",
    [
        "(1]}",
        "[(1]},{'a':[1)]",
        "{'a':[1)}",
        "(1],'a':[2)",
        "('o','m',(),{,(})",
        "('Pyro.x','),{',(})",
        "('o','m',(1],{'a':'),{'})",
        "('o','m',[',(),{'],{})",
        "('o','m',(1],{'k':[2),{})",
        "('o','m',(5),{})",
        "('o','m',(,),{})",
        "('o','m',( ),{})",
        "('o','m',(1,2,),{})",
        "('o','m',(5,),{'a':1,})",
        "('o','m',('null',),{'true':'NaN'})",
        "('o','m',(null,),{})",
        "('o','m',(NaN,),{})",
        "('o',5,'m',(1,),{})",
        "(['o'],'m',(1,2),{})",
        "[(),(1,),(1,2),((),),(1,2,)]",
        "{1:2,3:4,}",
        "{1:2,3:4,'a':{5,'b'}}",
        "[{1:2},1:2]",
        "[1:2]",
        "(1:2)",
        "{1:2:3}",
        "{1,2:3,4}",
        "{1,2:3}",
        "{1:}",
        "{1:2,3}",
        "{1}}",
        "{1)",
        "({1)}",
        "{[]}",
        "{[]:1}",
        "{1:{}}",
        "[{1},[2}]",
        "[b'a','\u20ac',b'\\xff']",
        "b'\u20ac'",
        "b'\\u20ac'",
        "b'a' b'b'",
        "[rb'a']",
        "{b'a'}",
        "{1:-Infinity}",
        "{1:NaN,2:Infinity}",
        "()",
        "( )",
        "(,)",
        "(1)",
        "(1,)",
        "('a',None,True,)",
        "('null','None')",
        "(1,[2,(3)])",
        "(1],[2)",
        "('o','m',(1],[2),{})",
        "('o','m',(),{},{})",
        "('o','m',('None',None),{'True':True})",
        "('o','m',(nullNone,),{})",
        "('o\\n','m',(),{})",
        "('o\n','m',(),{})",
        "('o\t','m',(),{})",
        "[(1)]",
        "[(1,NaN)]",
        "[{'\\x00':[1],'\\x01':0},(1,)]",
        "{'\\x00':[1],'\\x01':0}",
        "['\\ud83d\\ude00','\\/']",
        "['a\\\\','b']",
        "'\\",
        "'a\\'",
        '"it\'s"',
        "{'a':1,'a':2}",
        "{'a':1,2:3}",
        "{'a'}",
        "[-0,-0.0,1e999,-1e999]",
        "[1,]",
        "[00]",
        "5\n",
        " 5",
        "",
    ],
)
def test_what_json_takes_for_something_else_is_not_left_to_it(text: str) -> None:
    check_same(text)


@pytest.mark.parametrize("size", [1, 3000])
def test_usual_messages_are_parsed_as_json(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(serpent_shortcuts, "read_serpent", refuse)
    record = {"id": 1, "name": 'it\'s "new"\n', "value": 1.5, "tags": ["a", ()]}
    other = [{1, "two"}, {3: b"x\n\xff'", (4, "five"): ()}, {"b'"}, [], {}]
    for value in (
        None, True, 5, "text", b"bytes", (), (1,), [record, (1,), {"a": None}] * size,
        other * size,
    ):  # fmt: skip
        assert read_value(written(value), NESTING_LIMIT) == (value, False)
        for kwargs in (None, {}, {"a": value}):
            call = ("object", "method", (value,), kwargs)
            text = written_call(value, kwargs)
            assert read_call(text, NESTING_LIMIT) == (call, False)


def test_the_nesting_is_counted_outside_of_strings() -> None:
    value: object
    for value in (["[[["] * 9, ["]]]", [["(((", "\\"]]], [[], {}, ([],)]):
        text = written(value)
        assert read_value(text, 3) == (value, False)
        check_same(text, 2)
        check_same(text, 1)


def test_class_dictionaries_are_noticed_however_they_are_written() -> None:
    for text in ("{'__class__':'x'}", "{'__cl\\x61ss__':'x'}", '{"__class__":1}'):
        assert read_value(f"[{text},(1,)]", NESTING_LIMIT)[1]
        assert read_call(f"('o','m',({text},),{{}})", NESTING_LIMIT)[1]


@pytest.mark.parametrize(
    "text",
    [
        "'" + "\\'" * 300_000,
        '"' + '\\"' * 300_000,
        "'a\n" * 300_000,
        "'\"" * 300_000,
        "(" * 600_000,
        "[()" * 199 + ",)" * 300_000,
        "('o','m',(" + "),{" * 200_000,
        json.dumps(["x"] * 100_000)[:-1],
    ],
    ids=["escapes", "double", "lines", "quotes", "open", "close", "calls", "unclosed"],
)
def test_the_time_is_linear_whatever_the_text_is(text: str) -> None:
    # If it were not, this would take hours.
    for read in (read_value, read_call):
        with pytest.raises((SerializeError, ValueError, SyntaxError)):
            read(text, NESTING_LIMIT)
