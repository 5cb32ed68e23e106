"""Our control tool at Pyro5's name server: what works there, and what cannot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pyro_naming import locate_ns
from support.nsc import Nsc
from support.peers import pyro5_python
from support.programs import name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A = "PYRO:a@h:1"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of Pyro5's name server."""
    program, _host, port = name_server_of_pyro5(pyro5_python())
    with program:
        yield port


@pytest.fixture
def nsc(port: int, capsys: pytest.CaptureFixture[str]) -> Iterator[Nsc]:
    """Our command, which asks Pyro5's name server; it has two names."""
    with locate_ns("127.0.0.1", port) as names:
        names.register("demo.a", A, metadata=["y", "x"])
        names.register("demo.b", "PYRO:b@h:1")
        yield Nsc(port, capsys)
        names.remove(prefix="demo.")


def test_every_command_that_pyro5_has_works_there(nsc: Nsc) -> None:
    assert nsc("ping") == (0, "Name server ping ok.\n")
    assert nsc("lookup", "demo.a") == (0, f"{A}\nmetadata: {{'x', 'y'}}\n")
    assert nsc("register", "demo.c", A) == (0, "Registered demo.c\n")
    assert nsc("register", "demo.c", A, "--replace") == (0, "Registered demo.c\n")
    assert nsc("setmeta", "demo.c", "z") == (0, "Metadata updated\n")
    block = (
        "--------START LIST {0}\n"
        f"demo.c --> {A}\n"
        "    metadata: {{'z'}}\n"
        "--------END LIST {0}\n"
    )
    for arguments, title in (
        (("list", "demo.c"), "- prefix 'demo.c'"),
        (("listmatching", r".*\.c"), r"- regex '.*\.c'"),
        (("yplookup_all", "z"), " - searched by metadata"),
        (("yplookup_any", "z", "w"), " - searched by metadata"),
    ):
        assert nsc(*arguments) == (0, block.format(title))
    assert nsc("remove", "demo.c") == (0, "Removed demo.c\n")
    assert nsc("removematching", r"demo\.a", "--yes") == (0, "1 items removed.\n")


def test_lists_are_tables_and_json_there_too(nsc: Nsc) -> None:
    assert nsc("list", "demo.", "--table") == (
        0,
        (
            "NAME    URI         METADATA\n"
            f"demo.a  {A}  x, y\n"
            "demo.b  PYRO:b@h:1\n"
            "2 names\n"
        ),
    )
    assert nsc.json("list", "demo.a") == [
        {
            "name": "demo.a",
            "uri": A,
            "metadata": ["x", "y"],
            "owner": None,
            "ttl": None,
            "age": None,
            "expires_in": None,
        }
    ]


def test_names_can_be_taken_from_there_and_brought_there(
    nsc: Nsc, tmp_path: Path
) -> None:
    file = str(tmp_path / "names.json")
    assert nsc("export", file) == (0, f"Exported 2 names to {file}\n")
    assert nsc("remove", "demo.a")[0] == 0
    assert nsc("import", file) == (0, "Imported 1 names\n1 names were there already\n")
    assert nsc("lookup", "demo.a") == (0, f"{A}\nmetadata: {{'x', 'y'}}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("watch",),
        ("renew", "demo.a"),
        ("describe", "demo.a"),
        ("register", "demo.c", A, "--ttl", "60"),
        ("register", "demo.c", A, "--owner", "alice"),
        ("remove", "demo.a", "--force"),
        ("setmeta", "demo.a", "t", "--owner", "alice"),
    ],
)
def test_what_it_cannot_is_said_in_one_line(
    nsc: Nsc, arguments: tuple[str, ...]
) -> None:
    status, output = nsc(*arguments)
    assert status == 1
    assert re.fullmatch(r"Error: NamingError - .*this name server.*\n", output)
    assert nsc("lookup", "demo.a")[0] == 0
    assert nsc("lookup", "demo.c")[0] == 1
