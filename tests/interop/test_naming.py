"""Name servers, ours and Pyro5's, used by clients of the other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = Path(__file__).parent / "programs" / "naming_client.py"

EXPECTED = {
    "ping": "None",
    "register": "None",
    "register another": "None",
    "taken": "NamingError: name already registered: lab.thing",
    "lookup": "'PYRO:thing@127.0.0.1:4444'",
    "unknown": "NamingError: unknown name: lab.unknown",
    "list": "[('lab.other', 'PYRO:thing@127.0.0.1:44444'), "
    "('lab.thing', 'PYRO:thing@127.0.0.1:4444')]",
    "regex": "['lab.thing']",
    "by all tags": "['lab.thing']",
    "by any tag": "['lab.thing']",
    "by missing tag": "[]",
    "resolve name": "'PYRO:thing@127.0.0.1:4444'",
    "resolve tags": "'PYRO:thing@127.0.0.1:4444'",
    "set metadata": "None",
    "by new tag": "['lab.thing']",
    "remove": "1",
    "remove again": "0",
    "remove by prefix": "1",
    "count": "1",
}


@pytest.fixture
def our_name_server() -> Iterator[tuple[str, str]]:
    with Program(
        *("-m", "pyro_naming", "-n", "127.0.0.1", "-p", "0", "-x", "-s", "memory"),
        settings={"PYRO_SERIALIZERS_ACCEPTED": "native,serpent,json,msgpack,marshal"},
    ) as program:
        ready = program.wait_for(r"^URI = PYRO:Pyro.NameServer@(\S+):(\d+)$")
        yield ready[1], ready[2]


def use(library: str, host: str, port: int | str, serializer: str) -> dict[str, str]:
    """Run the client program and return its report."""
    options: dict[str, Any] = {}
    if library == "Pyro5.api":
        options["python"] = pyro5_python()
    with Program(CLIENT, library, host, str(port), serializer, **options) as program:
        assert program.wait() == 0, program.lines
        report: dict[str, str] = json.loads(program.lines[-1])
    return report


def check(report: dict[str, str]) -> None:
    assert {name: report[name] for name in EXPECTED} == EXPECTED
    assert report["bad uri"].startswith("PyroError: ")
    assert report["bad regex"].startswith("NamingError: ")


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack", "marshal"])
def test_a_pyro5_client_uses_our_name_server(
    our_name_server: tuple[str, str], serializer: str
) -> None:
    check(use("Pyro5.api", *our_name_server, serializer))


@pytest.mark.parametrize(
    "serializer", ["auto", "serpent", "json", "msgpack", "marshal"]
)
def test_our_client_uses_a_pyro5_name_server(serializer: str) -> None:
    program, host, port = name_server_of_pyro5(pyro5_python())
    with program:
        check(use("pyro_suite", host, port, serializer))


def test_our_client_uses_our_name_server(our_name_server: tuple[str, str]) -> None:
    check(use("pyro_suite", *our_name_server, "auto"))
