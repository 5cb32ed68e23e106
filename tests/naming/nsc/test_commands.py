from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyro_naming import NameServer
    from support.nsc import Nsc

B = "PYRO:b@h:1"


def test_describe_tells_all_about_a_name(nsc: Nsc, names: NameServer) -> None:
    status, output = nsc("describe", "demo.b")
    assert status == 0
    assert re.fullmatch(
        "name:       demo.b\n"
        f"uri:        {B}\n"
        "metadata:   none\n"
        "owner:      alice\n"
        r"registered: \ds ago" + "\n"
        r"lasts:      600 s after it was renewed, \d+m from now" + "\n",
        output,
    )
    status, output = nsc("describe", "demo.a")
    assert "metadata:   {'x', 'y'}\n" in output
    assert "owner:      nobody\n" in output
    assert "lasts:      for good\n" in output


def test_describe_has_a_form_for_programs(nsc: Nsc, names: NameServer) -> None:
    entry = nsc.json("describe", "demo.b")
    assert 0 <= entry.pop("age") < 600
    assert 0 < entry.pop("expires_in") <= 600
    assert entry == {
        "name": "demo.b",
        "uri": B,
        "metadata": [],
        "owner": "alice",
        "ttl": 600.0,
    }
    assert nsc.json_error("describe", "nothing") == {
        "type": "NamingError",
        "message": "unknown name: nothing",
    }


def test_a_name_is_registered_in_somebodys_name_for_some_time(
    nsc: Nsc, names: NameServer
) -> None:
    options = ("--owner", "carol", "--ttl", "90")
    assert nsc("register", "new", "PYRO:n@h:1", *options) == (0, "Registered new\n")
    entry = names.describe("new")
    assert (entry["owner"], entry["ttl"]) == ("carol", 90.0)


def test_a_name_is_replaced_only_if_told_so(nsc: Nsc, names: NameServer) -> None:
    taken = "Error: NamingError - name already registered: demo.a\n"
    assert nsc("register", "demo.a", B) == (1, taken)
    assert nsc("register", "demo.a", B, "--replace")[0] == 0
    assert str(names.lookup("demo.a")) == B


@pytest.mark.parametrize(
    "command",
    [
        ("register", "demo.b", "PYRO:n@h:1", "--replace"),
        ("setmeta", "demo.b", "mine"),
        ("remove", "demo.b"),
    ],
)
def test_what_somebody_owns_is_changed_by_the_owner_or_by_force(
    nsc: Nsc, names: NameServer, command: tuple[str, ...]
) -> None:
    status, output = nsc(*command)
    assert status == 1
    assert re.match("Error: NamingError - name 'demo.b' is held by alice", output)
    assert nsc(*command, "--owner", "carol")[0] == 1
    before = names.describe("demo.b")
    assert before["uri"] == B
    assert before["metadata"] == []
    assert nsc(*command, "--owner", "alice")[0] == 0


def test_force_takes_what_others_own(nsc: Nsc, names: NameServer) -> None:
    assert nsc("register", "demo.b", "PYRO:n@h:1", "--force")[0] == 0
    assert str(names.lookup("demo.b")) == "PYRO:n@h:1"


def test_renew_says_which_names_it_was(nsc: Nsc, names: NameServer) -> None:
    claim = ("--owner", "alice")
    assert nsc("renew", "demo.b", *claim) == (0, "Renewed demo.b\n")
    assert nsc("renew", "demo.b", "nothing", *claim) == (
        1,
        "Renewed demo.b\nNot renewed nothing\n",
    )
    assert nsc("renew", "demo.b", "--owner", "carol") == (1, "Not renewed demo.b\n")
    assert nsc.json("renew", "demo.b", *claim) == {
        "renewed": ["demo.b"],
        "not_renewed": [],
    }


def test_every_command_has_a_form_for_programs(
    nsc: Nsc, names: NameServer, port: int
) -> None:
    own = f"PYRO:Pyro.NameServer@127.0.0.1:{port}"
    assert nsc.json("ping") == {"ping": "ok", "uri": own}
    assert nsc.json("lookup", "demo.a") == {
        "name": "demo.a",
        "uri": "PYRO:a@h:1",
        "metadata": ["x", "y"],
    }
    listed = nsc.json("list")
    assert [one["name"] for one in listed] == ["Pyro.NameServer", "demo.a", "demo.b"]
    assert set(listed[0]) == {
        *("name", "uri", "metadata", "owner", "ttl", "age", "expires_in")
    }
    found = [
        nsc.json("list", "demo.b"),
        nsc.json("listmatching", r".*\.b$"),
        nsc.json("yplookup_all", "x", "y"),
        nsc.json("yplookup_any", "x", "z"),
        nsc.json("yplookup_all", "x", "z"),
    ]
    assert [[one["name"] for one in each] for each in found] == [
        *(["demo.b"], ["demo.b"], ["demo.a"], ["demo.a"], [])
    ]
    assert nsc.json("register", "new", B) == {"registered": "new"}
    assert nsc.json("setmeta", "new", "t", "s") == {
        "name": "new",
        "metadata": ["s", "t"],
    }
    assert nsc.json("remove", "new") == {"removed": 1}
    assert nsc.json("remove", "new") == {"removed": 0}
    assert nsc.json("removematching", "demo", "--yes", "--force") == {"removed": 2}


def test_removematching_asks_nobody_who_has_said_yes(
    nsc: Nsc, names: NameServer
) -> None:
    assert nsc("removematching", "demo", "-y") == (0, "1 items removed.\n")
    assert set(names.list()) == {"Pyro.NameServer", "demo.b"}


def test_an_error_for_programs_is_on_its_own(nsc: Nsc) -> None:
    assert nsc.json_error("lookup", "nothing") == {
        "type": "NamingError",
        "message": "unknown name: nothing",
    }
    assert nsc.json_error("register", "a", "nonsense")["type"] == "PyroError"


def test_what_others_have_written_cannot_move_the_cursor(
    nsc: Nsc, names: NameServer
) -> None:
    names.register("demo.\x1b[2Jz", "PYRO:z@h:1", metadata=["line\nbreak", "\u202e"])
    for command in (["list"], ["list", "--table"], ["list", "--json"]):
        status, output = nsc(*command)
        assert status == 0
        assert all(line.isprintable() for line in output.splitlines())
    assert nsc.json("lookup", "demo.\x1b[2Jz")["metadata"] == ["line\nbreak", "\u202e"]
    status, output = nsc("lookup", "nothing\x1b[2J")
    assert output == "Error: NamingError - unknown name: nothing\\x1b[2J\n"
