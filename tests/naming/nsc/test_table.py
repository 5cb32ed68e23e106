from __future__ import annotations

import pytest

from pyro_naming.nsc.entries import Entry
from pyro_naming.nsc.table import table
from pyro_naming.nsc.texts import width

CAMERA = Entry(
    "lab.camera",
    "PYRO:camera@lab1:9100",
    frozenset({"optics", "camera"}),
    owner="alice@lab1",
    ttl=60.0,
    age=3 * 3600.0,
    expires_in=41.5,
)
STAGE = Entry("stage", "PYRO:stage@lab2:9", frozenset(), "", 0.0, 7.0, None)


def test_a_table_is_read_at_a_glance() -> None:
    assert table([CAMERA, STAGE], 100) == [
        "NAME        URI                    AGE  EXPIRES  OWNER       METADATA",
        "lab.camera  PYRO:camera@lab1:9100   3h      41s  alice@lab1  camera, optics",
        "stage       PYRO:stage@lab2:9       7s",
        "2 names",
    ]


def test_columns_with_nothing_in_them_are_left_out() -> None:
    plain = Entry("stage", "PYRO:stage@lab2:9", frozenset())
    assert table([plain], 80) == [
        "NAME   URI",
        "stage  PYRO:stage@lab2:9",
        "1 name",
    ]


def test_nothing_is_said_in_words() -> None:
    assert table([], 80) == ["no names"]


@pytest.mark.parametrize("columns", [48, 60, 79, 80, 100])
def test_a_table_is_as_wide_as_the_terminal_at_most(columns: int) -> None:
    long = Entry(
        "instruments." + "微" * 40,
        "PYRO:" + "o" * 90 + "@host:9",
        frozenset({"tag" * 9, "other" * 9}),
    )
    lines = table([long], columns)
    assert max(map(width, lines)) <= columns
    assert lines[1].count("…") == 3


def test_uris_and_metadata_are_cut_before_names_are() -> None:
    entry = Entry("n" * 30, "PYRO:" + "o" * 60 + "@host:9", frozenset({"t" * 50}))
    line = table([entry], 80)[1]
    assert entry.name in line
    # Fairly: what is wider gives way until both are as wide.
    _name, uri, metadata = line.split("  ")
    assert abs(len(uri) - len(metadata)) <= 1


def test_what_others_have_written_cannot_move_the_cursor() -> None:
    entry = Entry("a\x1b[2J", "PYRO:a\x9b@h:1", frozenset({"b\nc"}), "o\u202e")
    shown = "".join(table([entry], 100))
    assert shown.isprintable()
    assert "b\\nc" in shown
