"""The text of a Python file, and changes of it that leave the rest as it was."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import NamedTuple

__all__ = ["Edit", "EncodingError", "Source"]

# What Python takes for the end of a line; str.splitlines knows more.
_LINE_END = re.compile(r"\r\n|\r|\n")


class EncodingError(ValueError):
    """The bytes of a file are not in the encoding that it names, or UTF-8."""


class Edit(NamedTuple):
    """A part of a text, by the positions of its characters, and what is to be there."""

    start: int
    end: int
    text: str


class Source:
    """A Python file.

    Args:
        data: its bytes; what they are encoded in they say themselves.

    Attributes:
        text: the characters, with the line ends that they have.
        newline: the end of its first line.
        tree: the syntax of it.

    Raises:
        SyntaxError: it is no Python of this version.
        EncodingError: it is not encoded in what it says.
    """

    def __init__(self, data: bytes) -> None:
        try:
            encoding, _lines = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding)
        except (SyntaxError, UnicodeDecodeError) as error:
            raise EncodingError(str(error)) from error
        self.encoding: str = encoding
        self.text: str = text
        ends = list(_LINE_END.finditer(self.text))
        self.newline: str = ends[0].group() if ends else "\n"
        self._starts = [0, *(end.end() for end in ends)]
        try:
            self.tree: ast.Module = ast.parse(self.text)
        except (ValueError, MemoryError, RecursionError) as error:
            # A character NUL, for example, or too many levels for the parser.
            raise SyntaxError(str(error)) from error

    def position(self, line: int, column: int) -> int:
        """Return which character is at a place that ``ast`` has named.

        Args:
            line: from 1.
            column: in bytes of UTF-8, from 0.
        """
        start = self._starts[line - 1]
        if column == 0:
            return start
        rest = self.text[start : start + column]
        return start + len(rest.encode()[:column].decode(errors="ignore"))

    def range_of(self, node: ast.expr | ast.stmt | ast.alias) -> tuple[int, int]:
        """Return where a part of the syntax begins and ends."""
        # What ast.parse has read always has an end.
        end = self.position(node.end_lineno or 0, node.end_col_offset or 0)
        return self.position(node.lineno, node.col_offset), end

    def text_of(self, node: ast.expr | ast.stmt | ast.alias) -> str:
        """Return how a part of the syntax is written."""
        start, end = self.range_of(node)
        return self.text[start:end]

    def column(self, node: ast.expr | ast.stmt | ast.alias) -> int:
        """Return the column of a part of the syntax, as people count: from 1."""
        start = self.position(node.lineno, node.col_offset)
        return start - self._starts[node.lineno - 1] + 1

    def line_of(self, statement: ast.stmt) -> Edit:
        """Return how to be rid of a statement, with its line if it is alone there."""
        start, end = self.range_of(statement)
        match = _LINE_END.match(self.text, end)
        if self.indentation(start) is not None and match:
            return Edit(start, match.end(), "")
        return Edit(start, end, "pass")

    def indentation(self, position: int) -> str | None:
        """Return what is before a position in its line, if that is only blank."""
        start = max(place for place in self._starts if place <= position)
        before = self.text[start:position]
        return before if not before.strip() else None

    def edited(self, edits: list[Edit]) -> bytes:
        """Return the file with changes made; one that is there twice is made once.

        Of one that is within another only the other is made.

        Raises:
            ValueError: changes overlap, or the result is no Python any more.
        """
        pieces = []
        place = 0
        for start, end, text in sorted(set(edits), key=lambda one: (one[0], -one[1])):
            if start < place:
                if end > place:
                    raise ValueError(f"changes overlap at {start}")
                continue
            pieces += [self.text[place:start], text]
            place = end
        text = "".join((*pieces, self.text[place:]))
        try:
            ast.parse(text)
        except SyntaxError as error:
            raise ValueError(f"the changes would break it: {error}") from error
        return text.encode(self.encoding)
