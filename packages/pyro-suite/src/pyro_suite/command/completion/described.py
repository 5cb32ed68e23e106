"""The command lines of the tools as data, taken from their parsers."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..tools import Tool

__all__ = ["DescribedTool", "Kind", "Option", "Value", "Word", "described_tools"]

Kind: TypeAlias = Literal["words", "file", "folder", "object", "name", "any"]
"""What a value is: one of some words, a file, a folder, the URI of an object, a name of
the name server, or something that only the user knows."""

_KINDS: Final[dict[str, Kind]] = {
    "DIR": "folder",
    "FILE": "file",
    "FOLDER": "folder",
    "PATH": "file",
    "path": "file",
    "paths": "file",
    "unixsocket": "file",
    "uri": "object",
}


@dataclass(frozen=True, slots=True)
class Value:
    """What may stand at a place.

    Attributes:
        label: what the tool's help calls it.
        kind: what it is.
        words: all that it can be, if that is known.
    """

    label: str
    kind: Kind
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """An option.

    Attributes:
        names: its spellings, such as ``-p`` and ``--port``.
        help: what it does, on one line.
        value: what follows it; None if nothing does.
        repeated: whether it can be given again.
    """

    names: tuple[str, ...]
    help: str
    value: Value | None
    repeated: bool


@dataclass(frozen=True, slots=True)
class Word:
    """An argument that is no option.

    Attributes:
        value: what it is.
        repeated: whether all that follow are the same.
    """

    value: Value
    repeated: bool


@dataclass(frozen=True, slots=True)
class DescribedTool:
    """A tool's command line.

    Attributes:
        name: the subcommand.
        command: its command outside of ``pyro``; empty if there is none.
        summary: what it is for.
        options: its options.
        words: its other arguments, in their order.
    """

    name: str
    command: str
    summary: str
    options: tuple[Option, ...]
    words: tuple[Word, ...]


def described_tools() -> list[DescribedTool]:
    """Return the command lines of all tools that are installed."""
    return list(_described(TOOLS.values()))


def _described(tools: Iterable[Tool]) -> Iterator[DescribedTool]:
    for tool in tools:
        try:
            parser = tool.make_parser(tool.prog)
        except ImportError:
            continue
        options = []
        words = []
        formatter = parser._get_formatter()  # noqa: SLF001 - there is no public way
        for action in parser._actions:  # noqa: SLF001 - there is no public way
            if action.help == argparse.SUPPRESS:
                continue
            if action.option_strings:
                text = formatter._expand_help(action)  # noqa: SLF001 - the same
                options.append(_option(tool, action, " ".join(text.split())))
            else:
                words.append(Word(_value(tool, action), action.nargs in ("*", "+")))
        yield DescribedTool(
            tool.name, tool.command, tool.summary, tuple(options), tuple(words)
        )


def _option(tool: Tool, action: argparse.Action, text: str) -> Option:
    value = None if action.nargs == 0 else _value(tool, action)
    repeated = isinstance(action, argparse._AppendAction)  # noqa: SLF001 - the same
    return Option(tuple(action.option_strings), text, value, repeated)


def _value(tool: Tool, action: argparse.Action) -> Value:
    shown = action.metavar if isinstance(action.metavar, str) else None
    label = shown or (action.dest.upper() if action.option_strings else action.dest)
    if action.choices is not None:
        return Value(label, "words", tuple(map(str, action.choices)))
    if tool.name == "nsc" and action.dest == "arguments":
        # Not every command takes names, and none of them takes files alone.
        return Value("name", "name")
    kind = _KINDS.get(shown or action.dest, _KINDS.get(action.dest, "any"))
    if kind == "any" and action.type is Path:
        kind = "file"
    return Value(label, kind)
