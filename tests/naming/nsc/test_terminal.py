"""What a person sees on a terminal, and a script in a pipe."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.hosting import DEADLINE
from support.programs import clean_environment

if TYPE_CHECKING:
    from pyro_naming import NameServer
    from support.nsc import Nsc

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo terminal")


def on_a_terminal(port: int, *arguments: str, columns: int = 80) -> str:
    """Run the command on a terminal; return what appears there."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    # These would have the last word about the width.
    environment = clean_environment()
    for variable in ("COLUMNS", "LINES"):
        environment.pop(variable, None)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "pyro_naming.nsc"),
            *("-n", "127.0.0.1", "-p", str(port), *arguments),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while some := os.read(ours, 4096):
            shown += some
    except OSError:
        # So Linux says that nobody has the terminal open any more.
        pass
    finally:
        os.close(ours)
        assert process.wait(DEADLINE) == 0
    return shown.decode().replace("\r\n", "\n")


def test_a_terminal_gets_a_table_that_fits_it(names: NameServer, port: int) -> None:
    names.register("demo.long", "PYRO:l@h:1", metadata=["many-words" * 9])
    shown = on_a_terminal(port, "list", "demo.", columns=60)
    lines = shown.splitlines()
    assert lines[0].split() == ["NAME", "URI", "AGE", "EXPIRES", "OWNER", "METADATA"]
    assert [line.split()[0] for line in lines[1:]] == [
        *("demo.a", "demo.b", "demo.long", "3")
    ]
    assert lines[-1] == "3 names"
    assert max(map(len, lines)) == 60


def test_a_terminal_can_have_the_lines_that_scripts_know(
    names: NameServer, port: int
) -> None:
    assert on_a_terminal(port, "list", "demo.a", "--lines") == (
        "--------START LIST - prefix 'demo.a'\n"
        "demo.a --> PYRO:a@h:1\n"
        "    metadata: {'x', 'y'}\n"
        "--------END LIST - prefix 'demo.a'\n"
    )


def test_elsewhere_a_table_has_to_be_asked_for(nsc: Nsc, names: NameServer) -> None:
    status, output = nsc("list", "demo.a", "--table")
    assert status == 0
    assert output.splitlines()[-1] == "1 name"
    status, output = nsc("yplookup_all", "nothing", "--table")
    assert (status, output) == (0, "no names\n")
    status, output = nsc("list", "demo.a")
    assert output.startswith("--------START LIST")
