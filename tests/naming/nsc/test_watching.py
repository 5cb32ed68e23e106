from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from support.hosting import DEADLINE
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from pyro_naming import NameServer


def watching(port: int, *options: str) -> Program:
    where = ("-n", "127.0.0.1", "-p", str(port))
    return Program("-m", "pyro_naming.nsc", *where, "watch", *options)


def event(program: Program) -> Any:
    return json.loads(program.wait_for(r"^\{.*\}$")[0])


def test_what_happens_is_printed_until_it_is_interrupted(
    names: NameServer, port: int
) -> None:
    with watching(port, "demo.", "--existing") as program:
        program.wait_for(
            r"^\d\d:\d\d:\d\d known   demo\.a --> PYRO:a@h:1  metadata: \{'x', 'y'\}$"
        )
        program.wait_for(r" known   demo\.b --> PYRO:b@h:1  owner: alice  ttl: 600 s$")
        names.register("other", "PYRO:o@h:1")
        names.register("demo.c", "PYRO:c@h:1", metadata=["line\nbreak"])
        program.wait_for(
            r" added   demo\.c --> PYRO:c@h:1  metadata: \{'line\\nbreak'\}$"
        )
        names.set_metadata("demo.c", [])
        program.wait_for(r" changed demo\.c --> PYRO:c@h:1$")
        names.remove("demo.c")
        program.wait_for(r" removed demo\.c$")
        assert program.end(signal.SIGINT) == 0
    assert len(program.lines) == 5


def test_events_are_lines_of_json_and_can_be_resumed(
    names: NameServer, port: int
) -> None:
    with watching(port, "--json", "--existing") as program:
        known = [event(program) for _ in range(3)]
        names.register("demo.c", "PYRO:c@h:1", metadata=["t"])
        added = event(program)
        assert program.end(signal.SIGINT) == 0
    assert {one["kind"] for one in known} == {"known"}
    position = added.pop("position")
    assert added == {
        "kind": "added",
        "name": "demo.c",
        "uri": "PYRO:c@h:1",
        "metadata": ["t"],
        "owner": "",
        "ttl": 0.0,
    }
    names.remove("demo.c")
    with watching(port, "--json", "--after", position) as program:
        assert event(program)["kind"] == "removed"
        assert program.end(signal.SIGINT) == 0


def test_it_ends_when_nobody_reads_any_more(names: NameServer, port: int) -> None:
    command = [sys.executable, "-m", "pyro_naming.nsc", "-n", "127.0.0.1"]
    with subprocess.Popen(
        [*command, "-p", str(port), "watch", "--existing", "--json"],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        # It notices when there is something to write.
        names.register("demo.c", "PYRO:c@h:1")
        assert process.stderr.read() == b""
        assert process.wait(DEADLINE) == 0
