"""The commands in units, images and the like, which are not run, could be given."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from pyro_suite.command.tools import TOOLS
from support.pages import read_blocks

DOCS = Path(__file__).parents[2] / "docs"


def commands() -> list[str]:
    """Return the commands of all recipes in the guides."""
    found: list[str] = []
    for page in sorted(DOCS.glob("guides/*.md")):
        for block in read_blocks(page):
            text = block.text.replace("\\\n", " ")
            if block.language == "ini":
                found += re.findall(r"^ExecStart=\S*/(pyro .*)$", text, re.MULTILINE)
            elif block.language == "dockerfile":
                for words in re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE):
                    found.append(shlex.join(json.loads(words)))
            elif block.language == "yaml":
                found += [
                    " ".join(lines.split())
                    for lines in re.findall(
                        r"^ +command: (?:>\n)?( *pyro (?:.*\n +--)*.*)$",
                        text,
                        re.MULTILINE,
                    )
                ]
            elif block.mark.startswith("not run"):
                found += re.findall(r"^\$ (pyro [^#\n]*)", text, re.MULTILINE)
    return found


def test_there_are_recipes_of_every_kind() -> None:
    assert len(commands()) >= 8


@pytest.mark.parametrize("command", commands())
def test_the_command_of_a_recipe_can_be_given(command: str) -> None:
    _, tool, *arguments = shlex.split(command)
    parser = TOOLS[tool].make_parser(f"pyro {tool}")
    parser.parse_args(arguments)
