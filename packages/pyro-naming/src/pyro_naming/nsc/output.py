"""What ``pyro-nsc`` prints, for a person, a script, or a program that reads JSON."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING

from .table import table
from .texts import printable, set_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .entries import Entry

__all__ = ["Output", "discard_output", "tolerate_any_text"]


class Output:
    """Prints in the form that was chosen.

    Args:
        options: the command line.

    Attributes:
        as_json: whether everything is printed as JSON.
        as_table: whether lists are printed as tables: for people, who look at a
            terminal.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.as_json: bool = options.json
        self.as_table: bool = options.table or (
            sys.stdout.isatty() and not options.lines
        )
        # What it prints then is for a program, or a file, from beginning to end.
        self._remarks_apart = options.json or options.command == "export"

    def line(self, text: str) -> None:
        """Print a line, whatever others have written into it."""
        print(printable(text))

    def data(self, value: object, *, indent: int | None = 2) -> None:
        """Print a JSON document."""
        print(json_text(value, indent))

    def remark(self, text: str) -> None:
        """Print a line about what is being done, where it disturbs nobody."""
        stream = sys.stderr if self._remarks_apart else sys.stdout
        print(printable(text), file=stream, flush=True)

    def say(self, text: str, value: object) -> None:
        """Print a result: as a line, or as a JSON document."""
        if self.as_json:
            self.data(value)
        else:
            self.line(text)

    def error(self, error: Exception, *, with_kind: bool = True) -> None:
        """Print what went wrong.

        Args:
            error: what was raised.
            with_kind: whether its class is a part of the line.
        """
        kind = getattr(error, "remote_type", "") or type(error).__name__
        if self.as_json:
            told = {"error": {"type": kind, "message": str(error)}}
            print(json_text(told), file=sys.stderr)
        else:
            self.line(f"Error: {kind} - {error}" if with_kind else f"Error: {error}")

    def table(self, entries: Sequence[Entry]) -> None:
        """Print names as a table."""
        for row in table(entries, shutil.get_terminal_size().columns):
            self.line(row)

    def lines(self, entries: Sequence[tuple[str, str, set[str]]], title: str) -> None:
        """Print names, URIs and metadata in the form that scripts know."""
        self.line(f"--------START LIST {title}")
        for name, uri, metadata in entries:
            self.line(f"{name} --> {uri}")
            if metadata:
                self.line(f"    metadata: {set_text(metadata)}")
        self.line(f"--------END LIST {title}")


def json_text(value: object, indent: int | None = None) -> str:
    """Return a JSON document that any terminal can show without being led astray."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeError:
        return json.dumps(value, indent=indent)
    # All that is not printable stands within texts, where it may be escaped.
    return "\n".join(map(_escaped, text.split("\n")))


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in line)


def tolerate_any_text() -> None:
    """Have what the terminal cannot show be printed as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Have what is still to be printed go nowhere, as its reader has gone.

    Otherwise Python would complain when it flushes at exit.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
