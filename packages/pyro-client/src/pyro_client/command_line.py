"""What the commands have in common: values in arguments, and output nobody reads."""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

__all__ = [
    "add_handshake",
    "discard_output",
    "printable",
    "tolerate_any_text",
    "value_of",
    "value_or_file",
]

_STDIN: Final = "-"
_BYTES: Final = "bytes:"


def value_of(text: str) -> Any:
    """Return what the text of an argument stands for: a literal, JSON, or itself."""
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text


def value_or_file(text: str) -> Any:
    """Return what an argument stands for where files are allowed.

    ``@FILE`` is the value that the text in a file stands for, ``@bytes:FILE`` all its
    bytes; the file ``-`` is standard input.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8 text.
    """
    if not text.startswith("@"):
        return value_of(text)
    name = text.removeprefix("@")
    if name.startswith(_BYTES):
        return _content(name.removeprefix(_BYTES))
    content = _content(name).decode("utf-8")
    return value_of(content.removesuffix("\n"))


def _content(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == _STDIN else Path(name).read_bytes()


def add_handshake(parser: argparse.ArgumentParser) -> None:
    """Give a command the options for what a server that asks who is calling is told."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--handshake",
        type=value_of,
        default="hello",
        metavar="VALUE",
        help="what to tell a server that asks who is calling: a literal, JSON or text; "
        "other users of this machine can read command lines",
    )
    group.add_argument(
        "--handshake-file",
        dest="handshake",
        type=_value_in_file,
        metavar="FILE",
        help="the same, from a file, which others need not be able to read",
    )


def _value_in_file(name: str) -> Any:
    try:
        return value_or_file(f"@{name}")
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def printable(text: str) -> str:
    """Return text of the other side without what would move the cursor."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


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
