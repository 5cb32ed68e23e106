"""The tutorial, the guides and the concepts, followed to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.page_runs import PageRun, expected_pattern, split_commands
from support.pages import read_blocks

DOCS = Path(__file__).parents[2] / "docs"
TUTORIAL = sorted(DOCS.glob("tutorial/*.md"))
OTHERS = [
    DOCS / "index.md",
    DOCS / "performance.md",
    DOCS / "testing.md",
    DOCS / "migrate.md",
    DOCS / "troubleshooting.md",
    *sorted(DOCS.glob("concepts/*.md")),
    *sorted(DOCS.glob("guides/*.md")),
]


def page_name(page: Path) -> str:
    return str(page.relative_to(DOCS))


def test_the_tutorial_can_be_followed_from_its_first_page_to_its_last(
    tmp_path: Path,
) -> None:
    assert TUTORIAL
    with PageRun(tmp_path) as reader:
        for page in TUTORIAL:
            reader.follow(page)


@pytest.mark.parametrize("page", OTHERS, ids=page_name)
def test_the_page_can_be_followed_by_itself(page: Path, tmp_path: Path) -> None:
    with PageRun(tmp_path) as reader:
        reader.follow(page)


@pytest.mark.parametrize("page", [*TUTORIAL, *OTHERS], ids=page_name)
def test_no_block_of_the_page_escapes_the_tests(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.count("```") == 2 * len(read_blocks(page))
    marks = {block.mark.partition(",")[0] for block in read_blocks(page)}
    assert marks <= {"", "stays", "fails", "not run", "new program"}
    assert text.count("<!-- test:") == sum(bool(one.mark) for one in read_blocks(page))


def test_commands_are_told_from_what_they_print() -> None:
    text = "$ one \\\n    more\nfirst\n\nsecond\n$ two\n"
    assert split_commands(text) == [
        ("one \\\n    more", "first\n\nsecond\n"),
        ("two", ""),
    ]


def test_shown_output_is_compared_to_the_letter_but_for_what_it_leaves_open() -> None:
    pattern, ports = expected_pattern("a:9090 …\n…\nb:9090 c:9200\n", {"9200": "7"})
    assert ports == ["9090"]
    assert re.fullmatch(pattern, "a:1234 x\nmore\nb:1234 c:7\n")
    assert re.fullmatch(pattern, "a:1234 x\nb:1234 c:7\n")
    assert not re.fullmatch(pattern, "a:1234 x\nb:1235 c:7\n")
    assert not re.fullmatch(pattern, "a:1234 x\nb:1234 c:8\n")
