"""A virtual environment of its own for each library, made when first needed."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ENVIRONMENTS", "Environment", "EnvironmentFailedError", "interpreter"]

_CACHE: Final = Path(__file__).parent.parent / ".bench"

_MSGPACK: Final = "msgpack==1.2.4"
_SERPENT: Final = "serpent==1.43"


class EnvironmentFailedError(Exception):
    """The environment could not be made."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What an environment holds.

    Attributes:
        requirements: for pip, with versions, so that figures stay comparable.
        modules: that can be imported when it is complete.
    """

    requirements: tuple[str, ...]
    modules: str


ENVIRONMENTS: Final = {
    "pyro5": Environment(("Pyro5==5.17", _SERPENT, _MSGPACK), "Pyro5.api, msgpack"),
    "pyro4": Environment(("Pyro4==4.82", _SERPENT), "Pyro4"),
    "rpyc": Environment(("rpyc==6.0.2",), "rpyc"),
    "grpc": Environment(("grpcio==1.85.1", _MSGPACK), "grpc, msgpack"),
    "thriftpy2": Environment(("thriftpy2==0.7.1",), "thriftpy2"),
    "zerorpc": Environment(("zerorpc==0.6.3", "gevent==26.9.0"), "zerorpc"),
    "zeromq": Environment(("pyzmq==27.3.0", _MSGPACK), "zmq, msgpack"),
}


def interpreter(name: str | None, *, pyro5: Path | None = None) -> Path:
    """Return an interpreter with a library, of the version running this.

    Args:
        name: a key of ``ENVIRONMENTS``; None stands for the interpreter running this.
        pyro5: the one to use instead of setting up the environment with Pyro5.

    Raises:
        EnvironmentFailedError: a command failed, for instance without a network.
    """
    if name is None:
        return Path(sys.executable)
    if name == "pyro5" and pyro5 is not None:
        return pyro5
    home = _CACHE / f"{name}-python{platform.python_version()}"
    python = home / "bin" / "python"
    if not _is_complete(name, python):
        _CACHE.mkdir(exist_ok=True)
        (_CACHE / ".gitignore").write_text("*\n", encoding="utf-8")
        requirements = ENVIRONMENTS[name].requirements
        _run(name, sys.executable, "-m", "venv", "--clear", str(home))
        _run(name, str(python), "-m", "pip", "install", "--quiet", *requirements)
    return python


def _is_complete(name: str, python: Path) -> bool:
    # Asked rather than remembered: an interrupted installation is made again.
    command = [str(python), "-c", f"import {ENVIRONMENTS[name].modules}"]
    return (
        python.exists()
        and subprocess.run(command, check=False, capture_output=True).returncode == 0
    )


def _run(name: str, *command: str) -> None:
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    if result.returncode:
        raise EnvironmentFailedError(
            f"cannot install {name}: {' '.join(command)} said:\n"
            f"{result.stderr.strip()}\n"
            "Install it another way or leave it out with --only; for Pyro5 there is"
            " --pyro5-python."
        )
