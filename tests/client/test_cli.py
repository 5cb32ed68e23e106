"""``pyro-call``: one call from the command line."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client.cli import main
from pyro_protocol import expose, oneway
from support.hosting import DEADLINE, HostThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.workbench import Workbench


@expose
class Lamp:
    """A small object, so that what it offers fits a test."""

    def switch(self) -> None:
        return

    @oneway
    def flash(self) -> None:
        return

    @property
    def colour(self) -> str:
        return "red"

    def values(self) -> dict[Any, Any]:
        return {
            "bytes": b"\x00\x01",
            "day": dt.date(2024, 2, 29),
            "set": {1},
            "tuple": (1, 2),
            3: None,
            "id": dt.timedelta(seconds=1),
        }


@pytest.fixture
def call(
    uri: str, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command for the workbench; returns status, output and errors."""

    def call(*args: str, uri: str = uri) -> tuple[int, str, str]:
        status: object
        try:
            status = main([uri, *args])
        except SystemExit as error:
            status = error.code
        captured = capsys.readouterr()
        assert isinstance(status, int)
        return status, captured.out, captured.err

    return call


@pytest.fixture
def lamp(host: HostThread) -> str:
    """The URI of a lamp."""
    return str(host.register(Lamp(), "lamp"))


# Arguments


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("-2", -2),
        ("2.5e3", 2500.0),
        ("1_000", 1000),
        ("text", "text"),
        ("two words", "two words"),
        ('"2"', "2"),
        ("'a=b'", "a=b"),
        ("[1, 'b', (3,)]", [1, "b", (3,)]),
        ("{'a': None}", {"a": None}),
        ('{"a": null, "b": true}', {"a": None, "b": True}),
        ("None", None),
        ("null", None),
        ("True", True),
        ("false", False),
        ("b'ab'", b"ab"),
        ("2024-02-29", "2024-02-29"),
        ("1-1", "1-1"),
        ("import os", "import os"),
        ("__import__('os')", "__import__('os')"),
        ("[" * 3000, "[" * 3000),
        ("", ""),
        ("http://h/?a=b", "http://h/?a=b"),
    ],
)
def test_arguments_are_literals_json_or_text(
    call: Callable[..., tuple[int, str, str]],
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    value: object,
) -> None:
    assert call("note", "--", text)[0] == 0
    assert bench.noted.acquire(timeout=DEADLINE)
    assert bench.notes == [value]


def test_keywords_are_passed_by_name(call: Callable[..., tuple[int, str, str]]) -> None:
    status, output, _ = call("--json", "arguments", "1", "b=2", "c=x=y", "d=")
    assert status == 0
    assert json.loads(output) == [[1], {"b": 2, "c": "x=y", "d": ""}]


def test_options_may_stand_anywhere(call: Callable[..., tuple[int, str, str]]) -> None:
    expected = (0, '[["a", -1], {}]\n', "")
    assert call("--json", "arguments", "a", "-1") == expected
    assert call("arguments", "a", "-1", "--json") == expected
    assert call("arguments", "--json", "a", "-1") == expected


def test_after_two_dashes_everything_is_an_argument(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, output, _ = call("-j", "arguments", "--", "--json", "-x", "k=v")
    assert status == 0
    assert json.loads(output) == [["--json", "-x"], {"k": "v"}]


# Results


@pytest.mark.parametrize(
    ("args", "plain", "as_json"),
    [
        (["add", "2", "3"], "5\n", "5\n"),
        (["add", "two", "three"], "twothree\n", '"twothree"\n'),
        (["echo", "['a', 1]"], "['a', 1]\n", '["a", 1]\n'),
        (["echo", "ü"], "ü\n", '"ü"\n'),
        (["nothing"], "", "null\n"),
        (["level"], "1\n", "1\n"),
        (["--attribute", "level"], "1\n", "1\n"),
        (["count", "3"], "0\n1\n2\n", "0\n1\n2\n"),
        (["numbers"], "1\n2\n3\n", "1\n2\n3\n"),
        (["note", "1"], "", "null\n"),
    ],
    ids=" ".join,
)
def test_the_result_is_printed(
    call: Callable[..., tuple[int, str, str]], args: list[str], plain: str, as_json: str
) -> None:
    assert call(*args) == (0, plain, "")
    assert call("--json", *args) == (0, as_json, "")


def test_values_that_json_does_not_know_are_written_as_near_as_can_be(
    call: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    status, output, _ = call("--json", "values", uri=lamp)
    assert status == 0
    assert json.loads(output) == {
        "bytes": "AAE=",
        "day": "2024-02-29",
        "set": [1],
        "tuple": [1, 2],
        "3": None,
        "id": "0:00:01",
    }


def test_items_are_printed_as_they_arrive(uri: str, bench: Workbench) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pyro_client", uri, "count", "1000000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        assert [process.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
    # Nobody reads on; the stream is ended, quietly.
    assert process.wait(DEADLINE) == 0
    assert bench.stream_ends.acquire(timeout=DEADLINE)


# What an object offers


def test_without_a_method_the_members_are_shown(
    call: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    expected = (
        f"{lamp}\nmethods:\n  flash (oneway)\n  switch\n  values\n"
        "attributes:\n  colour\n"
    )
    assert call(uri=lamp) == (0, expected, "")
    assert call("--list", uri=lamp) == (0, expected, "")


def test_members_are_shown_in_json(
    call: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    status, output, _ = call("--list", "--json", uri=lamp)
    assert status == 0
    assert json.loads(output) == {
        "methods": ["flash", "switch", "values"],
        "attributes": ["colour"],
        "oneway": ["flash"],
    }


# Failures


def test_a_remote_exception_is_shown_with_its_traceback(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, output, errors = call("fail", "too short")
    assert (status, output) == (1, "")
    assert "This exception occurred remotely" in errors
    assert "raise ValueError(message, 7)" in errors
    assert errors.count("occurred remotely") == 1
    assert errors.endswith("\npyro-call: ValueError: ('too short', 7)\n")
    assert "blocking_channel" not in errors


def test_a_stream_that_fails_shows_its_items_first(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, output, errors = call("stumble")
    assert (status, output) == (1, "1\n")
    assert errors.endswith("\npyro-call: KeyError: 'stumbled'\n")


def test_an_unknown_method_is_one_line_with_a_hint(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, output, errors = call("ad", "1", "2")
    assert (status, output) == (1, "")
    assert "did you mean 'add'" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("name", ["_pyroRelease", "__class__", "__dir__", "__init__"])
def test_what_belongs_to_the_proxy_is_not_called(
    call: Callable[..., tuple[int, str, str]], name: str
) -> None:
    status, output, errors = call(name)
    assert (status, output) == (1, "")
    assert errors.startswith("pyro-call: AttributeError: ")


def test_arguments_for_an_attribute_are_an_error(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, _, errors = call("level", "3")
    assert status == 1
    assert "takes no arguments" in errors


def test_a_method_is_no_attribute(call: Callable[..., tuple[int, str, str]]) -> None:
    status, _, errors = call("--attribute", "add")
    assert status == 1
    assert "no exposed attribute 'add'" in errors


def test_a_server_that_is_not_there_is_one_line(
    call: Callable[..., tuple[int, str, str]], closed_location: str
) -> None:
    status, output, errors = call("add", uri=f"PYRO:bench@{closed_location}")
    assert (status, output) == (3, "")
    assert errors.startswith(f"pyro-call: cannot connect to {closed_location}: ")
    assert errors.count("\n") == 1


def test_an_unknown_object_is_one_line(
    call: Callable[..., tuple[int, str, str]], host: HostThread
) -> None:
    status, _, errors = call("add", uri=f"PYRO:attic@{host.location}")
    assert status == 3
    assert "unknown object 'attic'" in errors
    assert errors.count("\n") == 1


def test_an_unknown_name_is_one_line(
    call: Callable[..., tuple[int, str, str]], host: HostThread
) -> None:
    from pyro_protocol.errors import NamingError

    @expose
    class Names:
        def lookup(self, name: str) -> str:
            raise NamingError(f"unknown name: {name}")

    host.register(Names(), "Pyro.NameServer")
    status, _, errors = call("add", uri=f"PYRONAME:attic@{host.location}")
    assert status == 3
    assert "attic" in errors
    assert errors.count("\n") == 1


def test_a_missing_name_server_is_one_line(
    call: Callable[..., tuple[int, str, str]], closed_location: str
) -> None:
    status, _, errors = call("add", uri=f"PYRONAME:bench@{closed_location}")
    assert status == 3
    assert closed_location in errors
    assert errors.count("\n") == 1


def test_an_answer_that_does_not_come_in_time_is_one_line(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, _, errors = call("--timeout", "0.5", "slow")
    assert status == 3
    assert "timeout" in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["--serializer", "yaml", "add"], "yaml"),
        (["--timeout", "soon", "add"], "soon"),
        (["add", "a=1", "2"], "follows"),
        (["add", "a=1", "a=2"], "twice"),
        (["--list", "add"], "--list"),
        (["--attribute"], "--attribute"),
        (["--colour"], "--colour"),
    ],
)
def test_wrong_usage_is_status_2_and_nothing_is_called(
    call: Callable[..., tuple[int, str, str]],
    bench: Workbench,
    args: list[str],
    complaint: str,
) -> None:
    status, output, errors = call(*args)
    assert (status, output) == (2, "")
    assert "usage: pyro-call" in errors
    assert complaint in errors
    assert bench.calls == 0


def test_a_malformed_uri_is_wrong_usage(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, _, errors = call("add", uri="bench")
    assert status == 2
    assert "invalid uri: 'bench'" in errors


def test_help_names_the_exit_statuses(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, output, _ = call("--help")
    assert status == 0
    assert "exit status" in output


# Options


@pytest.mark.parametrize("name", ["auto", "native", "serpent", "json", "msgpack"])
def test_the_serializer_can_be_chosen(
    call: Callable[..., tuple[int, str, str]], name: str
) -> None:
    shown = "[1, 2]\n" if name in ("json", "msgpack") else "(1, 2)\n"
    assert call("--serializer", name, "echo", "(1, 2)") == (0, shown, "")


def test_the_module_can_be_run(uri: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyro_client", uri, "add", "2", "b=3"],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "5\n", "")


def test_an_interrupted_call_ends_quietly(uri: str, bench: Workbench) -> None:
    import signal

    process = subprocess.Popen(
        [sys.executable, "-m", "pyro_client", uri, "slow"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert bench.started.acquire(timeout=DEADLINE)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, output, errors) == (130, "", "")
