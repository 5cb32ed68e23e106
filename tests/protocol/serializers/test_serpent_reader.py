from __future__ import annotations

import ast
import math
from typing import Any

import pytest
import serpent
from hypothesis import given, settings
from hypothesis import strategies as st

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers.serpent_reader import (
    LITERAL_LIMIT,
    NESTING_LIMIT,
    read_serpent,
)
from support.memory import least_peak

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.complex_numbers(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary()
)
keys = st.recursive(atoms, lambda inner: st.lists(inner).map(tuple), max_leaves=3)
literals = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.sets(keys, min_size=1)
        | st.dictionaries(keys, inner)
    ),
    max_leaves=15,
)


def read(text: str) -> Any:
    return read_serpent(text)[0]


@settings(deadline=None, max_examples=60)
@given(value=literals)
def test_what_python_writes_is_read_as_python_reads_it(value: object) -> None:
    text = repr(value)
    assert repr(read(text)) == repr(ast.literal_eval(text))


@settings(deadline=None, max_examples=60)
@given(value=literals)
def test_what_serpent_writes_is_read_as_serpent_reads_it(value: object) -> None:
    try:
        data = serpent.dumps(value, bytes_repr=True)
    except TypeError:  # a key that the library does not write
        return
    text = data.decode("utf-8", "surrogatepass").partition("\n")[2]
    assert repr(read(text)) == repr(serpent.loads(data))


PIECES = [
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ":",
    " ",
    "\n",
    "1",
    "-",
    "'",
    '"',
    "a",
    "\\",
]
PIECES += [
    "'a'",
    "1.5",
    "1e3",
    "None",
    "b'x'",
    "set()",
    "(1+2j)",
    "...",
    "#",
    "0x1",
    "é",
]


@settings(deadline=None, max_examples=60)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_whatever_python_reads_is_read_in_the_same_way(pieces: list[str]) -> None:
    text = "".join(pieces)
    try:
        expected = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError):
        return
    assert repr(read(text)) == repr(expected)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("()", ()),
        ("(1)", 1),
        ("(1,)", (1,)),
        ("((1,2),)", ((1, 2),)),
        ("[1,2,]", [1, 2]),
        ("{}", {}),
        ("{1,2,}", {1, 2}),
        ("{'a':1,'b':{2:3},}", {"a": 1, "b": {2: 3}}),
        (" [ 1 ,\r\n\t2 ] \n", [1, 2]),
        ("'it\\'s'", "it's"),
        ('"\\x41\\u20ac\\U0001f600é\\\\é\\n"', "A€😀é\\é\n"),
        ("'\\ud800'", "\ud800"),
        ("b'a\\x00\\''", b"a\0'"),
        ('b"it\'s"', b"it's"),
        ("1e30000", math.inf),
        ("-1e30000", -math.inf),
        ("(1.0-2.5j)", 1 - 2.5j),
        ("(-0.0-1e30000j)", complex(-0.0, -math.inf)),
        ("[.5,5.,-0,0,-0.0,1E3]", [0.5, 5.0, 0, 0, -0.0, 1000.0]),
        ("[None,True,False,...]", [None, True, False, ...]),
    ],
)
def test_ordinary_literals_are_read_at_any_length(text: str, value: object) -> None:
    # Only the short ones could have been read by Python instead.
    long = f"['{'x' * LITERAL_LIMIT}',{text.strip()}]"
    assert repr(read(text)) == repr(value)
    assert repr(read(long)[1]) == repr(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("set()", set()),
        ("'a' 'b'", "ab"),
        ("'''a\nb'''", "a\nb"),
        ("r'\\n'", "\\n"),
        ("rb'\\n'", b"\\n"),
        ("u'a'", "a"),
        ("'\\N{BULLET}\\101'", "•A"),
        ("1_000", 1000),
        ("[0x10, 0o10, 0b10, + 5, - 5]", [16, 8, 2, 5, -5]),
        ("1j", 1j),
        ("[1, # one\n2]", [1, 2]),
    ],
)
def test_literals_that_only_people_write_are_read_if_they_are_short(
    text: str, value: object
) -> None:
    assert read(text) == value
    with pytest.raises(SerializeError, match="other forms are read up to"):
        read(f"['{'x' * LITERAL_LIMIT}',{text}]")


def test_a_tuple_may_lack_its_parentheses_if_it_is_short() -> None:
    assert read("1,2") == (1, 2)
    with pytest.raises(SerializeError, match="other forms are read up to"):
        read(f"'{'x' * LITERAL_LIMIT}',1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "]",
        "[1",
        "1]",
        "[1)",
        "[1 2]",
        "[1,,2]",
        "[,]",
        "[1:2]",
        "(1:2)",
        "{1:}",
        "{:1}",
        "{1:2,3}",
        "{1,2:3}",
        "{1:2:3}",
        "{1:2,3:4,5}",
        "{[]}",
        "{{}:1}",
        "1 2",
        "1:2",
        "'a",
        "'a\nb'",
        "'\\x4'",
        "'a\0b'",
        "x",
        "abc()",
        "f'{1}'",
        "1+2",
        "00",
        "[1\xa0]",
        "__import__('os')",
        "1" * 5000,
    ],
)
def test_what_is_no_literal_is_refused(text: str) -> None:
    if text != "00":
        with pytest.raises((SerializeError, ValueError, SyntaxError, TypeError)):
            read(text)
    with pytest.raises((SerializeError, ValueError, SyntaxError, TypeError)):
        read(f"['{'x' * LITERAL_LIMIT}',{text},{text}")


def test_class_dictionaries_are_noticed() -> None:
    assert read_serpent("[{'a':1}]")[1] is False
    assert read_serpent("{'a':({'__class__':'x'},)}")[1] is True
    assert read_serpent("{'__cl' 'ass__':'x'}")[1] is True
    assert read_serpent("['__class__',{'a':'__class__'}]")[1] is False


def test_the_nesting_has_a_limit() -> None:
    read("[" * NESTING_LIMIT + "]" * NESTING_LIMIT)
    with pytest.raises(SerializeError, match="deeper than 199 levels"):
        read("[" * (NESTING_LIMIT + 1) + "]" * (NESTING_LIMIT + 1))


def test_the_memory_is_a_small_multiple_of_the_text() -> None:
    text = "[" + "('key',1.5,{'a':12345,'b':[None,True]})," * 6000 + "]"
    assert least_peak(lambda: read(text)) < 40 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        "[1" + " " * 1_000_000 + "]" + "\n" * 1_000_000,
        " " * 1_000_000,
        "(1" + "0" * 1_000_000 + "+",
        "'" * 1_000_000,
        "'" + "\\" * 999_999,
        "-" * 1_000_000,
        "[(" * 500_000,
    ],
    ids=["spaces", "spaces only", "digits", "quotes", "escapes", "signs", "brackets"],
)
def test_the_time_is_linear_whatever_the_text_is(text: str) -> None:
    # If it were not, this would take hours.
    try:
        assert read(text) == [1]
    except (SerializeError, ValueError):
        return
