"""The blocks of a page of the documentation: what a reader types, and what he sees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OUTPUT", "Block", "read_blocks"]

OUTPUT: Final = "text"
"""The language of a block that shows what the block before it prints."""

_FENCE: Final = re.compile(
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_NAME: Final = re.compile(r"`([\w./-]+\.[a-z]+|Dockerfile)`:$")
_MARK: Final = re.compile(r"^<!-- test: (\S.*\S) -->$")


class Block(NamedTuple):
    """A fenced block of a page.

    Attributes:
        line: the number of its first line in the page.
        language: what it is written in.
        text: what it says.
        file: the name of the file that it is, or nothing.
        mark: what a comment above it tells the tests, or nothing.
    """

    line: int
    language: str
    text: str
    file: str
    mark: str


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in their order.

    A block is a file if the paragraph above it ends with its name and a colon, as in
    "The server, `server.py`:". A comment of the form ``<!-- test: … -->`` directly
    above the block is its mark.
    """
    text = page.read_text("utf-8")
    blocks = []
    for found in _FENCE.finditer(text):
        above = text[: found.start()].rstrip().splitlines()
        mark = ""
        if above and (marked := _MARK.match(above[-1])):
            mark = marked[1]
            above = "\n".join(above[:-1]).rstrip().splitlines()
        named = _NAME.search(above[-1]) if above else None
        line = text.count("\n", 0, found.start("text")) + 1
        file = named[1] if named and found["language"] != "console" else ""
        blocks.append(Block(line, found["language"], found["text"], file, mark))
    return blocks
