"""The options that the commands of the benchmarks share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["names_of", "new_parser", "numbers", "positive_int", "positive_number"]


def new_parser(
    documentation: str,
    *,
    names: Sequence[str],
    rounds: int,
    seconds: float | None = None,
    json: bool = True,
    pyro5: bool = True,
) -> argparse.ArgumentParser:
    """Return a parser with the options that a command has in common with others.

    Args:
        documentation: of the module; its first line describes the command.
        names: that ``--only`` knows; it is an empty list where it is not given.
        rounds: how many there are by default.
        seconds: how long a round lasts by default; None if it has no length.
        json: whether the command can write its samples to a file.
        pyro5: whether the command needs an interpreter with Pyro5.
    """
    parser = argparse.ArgumentParser(description=documentation.splitlines()[0])
    parser.add_argument(
        "--rounds",
        type=positive_int,
        default=rounds,
        metavar="N",
        help=f"rounds of each figure; default: {rounds}",
    )
    if seconds is not None:
        parser.add_argument(
            "--seconds",
            type=positive_number,
            default=seconds,
            metavar="S",
            help=f"length of a round; default: {seconds:g}",
        )
    parser.add_argument(
        "--only",
        type=names_of(names),
        default=[],
        metavar="NAMES",
        help=f"comma-separated; of a kind not named here all: {', '.join(names)}",
    )
    if json:
        parser.add_argument(
            "--json", type=Path, metavar="FILE", help="also write every sample"
        )
    if pyro5:
        parser.add_argument(
            "--pyro5-python",
            type=Path,
            metavar="FILE",
            help="an interpreter with Pyro5 and msgpack; default: one is set up under"
            " .bench/",
        )
    return parser


def names_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Return what reads names with commas between, and knows only these."""

    def read(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"{name!r} is none of {', '.join(known)}"
                )
        return names

    return read


def numbers(least: int) -> Callable[[str], list[int]]:
    """Return what reads numbers with commas between, none of them below ``least``."""

    def read(text: str) -> list[int]:
        try:
            found = [int(number) for number in text.split(",")]
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be numbers with commas between, not {text!r}"
            ) from None
        if min(found) < least:
            raise argparse.ArgumentTypeError(f"must be {least} at least")
        return found

    return read


def positive_int(text: str) -> int:
    """Read a number of things."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be positive")
    return value


def positive_number(text: str) -> float:
    """Read an amount of something."""
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be positive")
    return value
