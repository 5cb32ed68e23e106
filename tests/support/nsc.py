"""``pyro-nsc``, run in the process of the tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyro_naming.nsc import main

if TYPE_CHECKING:
    import pytest

__all__ = ["Nsc"]


class Nsc:
    """Runs the command; returns exit status and output.

    Args:
        port: the port of the name server that is asked.
        capsys: where the output ends up.
    """

    def __init__(self, port: int, capsys: pytest.CaptureFixture[str]) -> None:
        self._where = ("-n", "127.0.0.1", "-p", str(port))
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        status = main([*self._where, *arguments])
        return status, self._capsys.readouterr().out

    def json(self, *arguments: str) -> Any:
        """Run a command that goes well, and return what its JSON says."""
        status, output = self(*arguments, "--json")
        assert status == 0
        return json.loads(output)

    def json_error(self, *arguments: str) -> Any:
        """Run a command that fails, and return the error that its JSON tells."""
        assert main([*self._where, *arguments, "--json"]) == 1
        out, err = self._capsys.readouterr()
        assert out == ""
        return json.loads(err)["error"]
