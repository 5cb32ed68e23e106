"""Our name server watched by proxies, ours and Pyro5's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyro_naming import start_ns
from support.peers import pyro5_python
from support.programs import Program

CLIENT = Path(__file__).parent / "programs" / "watching_client.py"
A = "PYRO:a@h:1"


@pytest.mark.parametrize(
    ("library", "serializer"),
    [
        ("pyro_suite", "native"),
        ("Pyro5.api", "serpent"),
        ("Pyro5.api", "json"),
        ("Pyro5.api", "msgpack"),
    ],
)
def test_changes_arrive_one_by_one(library: str, serializer: str) -> None:
    options: dict[str, Any] = {}
    if library == "Pyro5.api":
        options["python"] = pyro5_python()
    with start_ns("127.0.0.1", 0).daemon as daemon:
        names = daemon.nameserver
        names.register("lab.old", A, metadata=["t"], owner="me")
        host, _, port = daemon.locationStr.rpartition(":")
        with Program(CLIENT, library, host, port, serializer, **options) as program:
            program.wait_for("^watching$")
            names.register("lab.new", A)
            names.register("other", A)
            names.set_metadata("lab.new", ["t"])
            names.remove("lab.new")
            names.register("lab.end", A)
            assert program.wait() == 0, program.lines
            lines = [json.loads(one) for one in program.lines if one != "watching"]
    *changes, after, page, owner = lines
    assert [(one["kind"], one["name"]) for one in changes] == [
        ("known", "lab.old"),
        ("added", "lab.new"),
        ("changed", "lab.new"),
        ("removed", "lab.new"),
        ("added", "lab.end"),
    ]
    assert changes[0]["metadata"] == ["t"]
    assert changes[2]["metadata"] == ["t"]
    assert (after, page, owner) == ([], ["lab.end", "lab.old"], "me")
