"""A virtual environment of its own for Pyro5, made when first needed."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["EnvironmentFailedError", "pyro5_python"]

_REQUIREMENTS: Final = ("Pyro5==5.17", "msgpack")
_CACHE: Final = Path(__file__).parent.parent / ".bench"


class EnvironmentFailedError(Exception):
    """The environment could not be made."""


def pyro5_python() -> Path:
    """Return an interpreter that has Pyro5, of the version running this.

    Raises:
        EnvironmentFailedError: a command failed, for instance without a network.
    """
    home = _CACHE / f"pyro5-python{platform.python_version()}"
    python = home / "bin" / "python"
    if not _has_pyro5(python):
        _CACHE.mkdir(exist_ok=True)
        (_CACHE / ".gitignore").write_text("*\n", encoding="utf-8")
        _run(sys.executable, "-m", "venv", "--clear", str(home))
        _run(str(python), "-m", "pip", "install", "--quiet", *_REQUIREMENTS)
    return python


def _has_pyro5(python: Path) -> bool:
    # Asked rather than remembered: an interrupted installation is made again.
    command = [str(python), "-c", "import Pyro5.api, msgpack"]
    return python.exists() and subprocess.run(command, check=False).returncode == 0


def _run(*command: str) -> None:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        raise EnvironmentFailedError(
            f"cannot install {' '.join(_REQUIREMENTS)}: {' '.join(command)} said:\n"
            f"{result.stderr.strip()}\n"
            "Name an interpreter that has them (--pyro5-python), or leave them out"
            " (--only ours,raw,managers)."
        )
