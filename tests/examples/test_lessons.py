"""The list of examples, and what all of them have in common."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.walkthrough import EXAMPLES, steps_of

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = sorted(page.parent for page in EXAMPLES.glob("*/README.md"))
MOST_LINES = 60


def linked(page: Path) -> list[Path]:
    """Return the files that a page links to."""
    targets = re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    return [(page.parent / target).resolve() for target in targets]


def test_every_lesson_is_listed_and_has_a_test() -> None:
    listed = {page.parent for page in linked(EXAMPLES / "README.md")}
    tests = EXAMPLES.parent / "tests" / "examples"
    for folder in FOLDERS:
        assert folder in listed, folder.name
        assert (tests / f"test_{folder.name}.py").is_file(), folder.name


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_lesson_is_a_page_whose_links_and_programs_are_there(folder: Path) -> None:
    page = folder / "README.md"
    assert len(page.read_text("utf-8").splitlines()) <= MOST_LINES
    for target in linked(page):
        assert target.exists(), target
    for step in steps_of(page):
        if step.program.endswith(".py"):
            assert (folder / step.program).is_file()
