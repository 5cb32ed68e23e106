"""The real Pyro5 that tests talk to, in a Python environment of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

__all__ = ["pyro5_python"]

_VARIABLE = "PYRO5_PYTHON"


def pyro5_python() -> Path:
    """Return the interpreter of an environment that has Pyro5 installed.

    It is named by the environment variable ``PYRO5_PYTHON``; tox sets it. Where
    there is none the calling test is skipped, except under ``CI``: there a test
    that cannot run is a failure.
    """
    interpreter = os.environ.get(_VARIABLE)
    if interpreter and Path(interpreter).is_file():
        return Path(interpreter)
    reason = (
        f"{_VARIABLE} names no interpreter with Pyro5 installed: {interpreter!r}; "
        "run the tests with tox, or set it to one"
    )
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
