"""A real Pyro4 client of our name server."""

from __future__ import annotations

import json
from pathlib import Path

from pyro_naming import start_ns
from pyro_protocol import Configuration, locate_ns
from support.peers import pyro5_python
from support.programs import Program

PROGRAMS = Path(__file__).parent / "programs"

EXPECTED = {
    "ping": "None",
    "register": "None",
    "register a URI": "None",
    "safe": "NamingError: name already registered: a.c",
    "lookup": "'PYRO:x@h:1'",
    "lookup with tags": "('PYRO:x@h:1', ['blue', 'red'])",
    "count": "3",
    "prefix": "{'a.b': 'PYRO:x@h:1', 'a.c': 'PYRO:y@h:2'}",
    "regex": "{'a.c': 'PYRO:y@h:2'}",
    "tags": "{'a.b': ('PYRO:x@h:1', ['blue', 'red']), 'a.c': ('PYRO:y@h:2', [])}",
    "all tags": "{'a.b': 'PYRO:x@h:1'}",
    "any tag": "{'a.b': 'PYRO:x@h:1'}",
    "no tag": "{}",
    "set tags": "None",
    "resolve": "'PYRO:x@h:1'",
    "resolve tags": "'PYRO:y@h:2'",
    "remove": "1",
    "remove by prefix": "1",
    "register a daemon": "None",
    "by name": "'hi'",
    "by tag": "'hi'",
}


def run(*arguments: str) -> list[str]:
    with Program(*arguments, python=pyro5_python()) as client:
        assert client.wait() == 0, client.lines
        return client.lines


def test_a_pyro4_program_uses_our_name_server() -> None:
    config = Configuration(use_environment=False, PYRO4_CLIENTS=True)
    with start_ns("127.0.0.1", 0, enableBroadcast=False, config=config).daemon as names:
        port = names.locationStr.rpartition(":")[2]
        lines = run(str(PROGRAMS / "naming_client.py"), "127.0.0.1", port)
        with locate_ns("127.0.0.1", int(port)) as ours:
            assert str(ours.lookup("thing")).startswith("PYRO:")

    report = json.loads(lines[-1])
    assert {name: report[name] for name in EXPECTED} == EXPECTED
    assert report["unknown"].startswith("NamingError: ")
    assert report["own name"] == "0"
