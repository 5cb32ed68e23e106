"""``pyro completion``: prints a script that completes ``pyro`` in a shell."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .described import DescribedTool

__all__ = ["completion_parser", "main"]

_DONE: Final = 0
_SHELLS: Final = ("bash", "zsh", "fish")

_EPILOG: Final = """\
It completes tools, options, what can follow them, files, and the names of objects
that the name server knows (PYRO_NS_HOST and PYRO_NS_PORT say which one); likewise for
the single commands such as pyro-call.

for this shell:
  bash    source <(%(prog)s bash)
  zsh     source <(%(prog)s zsh)
  fish    %(prog)s fish | source

for all to come:
  bash    %(prog)s bash > ~/.local/share/bash-completion/completions/pyro
          which works for the single commands when pyro was completed once, or
          echo 'source <(%(prog)s bash)' >> ~/.bashrc
  zsh     %(prog)s zsh > ~/.zfunc/_pyro
          with fpath+=(~/.zfunc) before compinit in ~/.zshrc
  fish    %(prog)s fish > ~/.config/fish/completions/pyro.fish
"""


def completion_parser(prog: str = "pyro completion") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Prints what completes pyro in a shell.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("shell", nargs="?", choices=_SHELLS, help="the shell")
    what.add_argument(
        "--names",
        action="store_true",
        help="print the names that the name server knows, as the scripts do",
    )
    return parser


def main(arguments: Sequence[str] | None = None, prog: str = "pyro completion") -> int:
    """Print a script, or names, and return the exit status.

    Args:
        arguments: the arguments; those of the command line if left out.
        prog: what the command is called in its messages.
    """
    options = completion_parser(prog).parse_args(arguments)
    if options.names:
        from .names import known_names  # noqa: PLC0415 - a script does without

        sys.stdout.write("".join(f"{name}\n" for name in known_names()))
        return _DONE
    # Those, on the other hand, import every tool.
    from .described import described_tools  # noqa: PLC0415

    sys.stdout.write(_scripts()[options.shell](described_tools()))
    return _DONE


def _scripts() -> Mapping[str, Callable[[Sequence[DescribedTool]], str]]:
    from .bash import bash_script  # noqa: PLC0415 - names are wanted more often
    from .fish import fish_script  # noqa: PLC0415
    from .zsh import zsh_script  # noqa: PLC0415

    return {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
