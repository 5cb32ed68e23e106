"""What happens when ``pyro`` is run: a tool is chosen, and gets the rest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from .missing import what_to_install
from .tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_DONE: Final = 0
_FAILED: Final = 1
_WRONG_USAGE: Final = 2
_INTERRUPTED: Final = 130

_USAGE: Final = "usage: pyro [--help] [--version] TOOL ..."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a tool and return its exit status.

    Args:
        arguments: the command line; None means ``sys.argv``.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    name, rest = (given[0], given[1:]) if given else ("", [])
    if name == "help" and rest:
        name, rest = rest[0], ["--help"]
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return _DONE
    if name == "--version":
        from .versions import versions  # noqa: PLC0415 - the tools do without

        sys.stdout.write(versions())
        return _DONE
    if name not in TOOLS:
        sys.stderr.write(_complaint(name))
        return _WRONG_USAGE
    try:
        return TOOLS[name].run(rest)
    except ImportError as error:
        advice = what_to_install(error)
        if advice is None:
            raise
        sys.stderr.write(f"pyro {name}: {advice}\n")
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED


def _help() -> str:
    width = max(map(len, TOOLS))
    lines = [f"  {tool.name:{width}}  {tool.summary}" for tool in TOOLS.values()]
    return "\n".join(
        [
            _USAGE,
            "",
            "Remote objects for Python: every tool of Pyro in one command.",
            "",
            "tools:",
            *lines,
            "",
            "options:",
            "  -h, --help  show this",
            "  --version   show the versions of all packages",
            "",
            "pyro TOOL --help explains a tool. PYRO_* variables are settings for all",
            "of them; pyro check-config shows which are in force.",
            "",
        ]
    )


def _complaint(name: str) -> str:
    if not name:
        return _help()
    import difflib  # noqa: PLC0415 - nobody waits for it who makes no mistake

    what = "option" if name.startswith("-") else "tool"
    known = ["--help", "--version"] if what == "option" else [*TOOLS]
    # Many type the name of the single command.
    close = difflib.get_close_matches(name.removeprefix("pyro-"), known, 1, 0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return (
        f"{_USAGE}\n"
        f"pyro: there is no {what} {name!r}; {hint}pyro --help lists them all\n"
    )
