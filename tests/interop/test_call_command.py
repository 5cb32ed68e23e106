"""``pyro-call`` with objects that Pyro5 serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_client.cli import main
from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER = Path(__file__).parent / "programs" / "target_server.py"


@pytest.fixture
def uri() -> Iterator[str]:
    """The URI of an object that Pyro5 serves."""
    with Program(SERVER, "Pyro5.api", python=pyro5_python()) as program:
        yield program.wait_for(r"(PYRO:\S+)")[1]


def test_the_command_uses_an_object_of_pyro5(
    uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*args: str, status: int = 0) -> str:
        assert main([uri, *args]) == status
        output, errors = capsys.readouterr()
        return output if status == 0 else errors

    assert call("add", "2", "right=3") == "5\n"
    assert call("--set", "level", "9") == ""
    assert call("--attr", "level") == "9\n"
    assert call("--limit", "2", "count_up", "5") == "0\n1\n"
    assert call("--oneway", "add", "1") == ""
    listing = call()
    assert "  add\n" in listing
    assert "  notify  (oneway)\n" in listing
    assert "attributes:\n  level\n" in listing
    assert json.loads(call("--json", "--list", "add")) == {
        "name": "add",
        "signature": None,
        "doc": None,
    }
    assert call("fail", "text", status=1) == "pyro-call: ValueError: ('text', 7)\n"
    assert "This exception occurred remotely" in call(
        "--traceback", "fail", "text", status=1
    )
    error = json.loads(call("--json", "fail", "text", status=1))["error"]
    assert error["remote"]
    assert "did you mean 'add'?" in call("ad", status=1)
