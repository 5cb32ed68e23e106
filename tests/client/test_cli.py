"""``pyro-call``: one call from the command line."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client.cli import main
from pyro_protocol import expose, oneway
from pyro_protocol.serializers import serializers_by_id
from pyro_protocol.wire import FLAG_EXCEPTION, MessageType
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.workbench import Workbench


@expose
class Lamp:
    """A small object, so that what it offers fits a test.

    This is not in the first line.
    """

    def __init__(self) -> None:
        self._brightness = 0.5
        self.flashed = threading.Event()

    def switch(self, on: bool = True) -> bool:
        """Switch it on or off.

        Returns:
            Whether it was on.
        """
        return not on

    @oneway
    def flash(self) -> None:
        self.flashed.set()

    def blink(self, times: int) -> Iterator[bool]:
        for _ in range(times):
            yield True

    @property
    def colour(self) -> str:
        """What it looks like."""
        return "red"

    @property
    def brightness(self) -> float:
        return self._brightness

    @brightness.setter
    def brightness(self, value: float) -> None:
        self._brightness = value

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
    expected = f"""\
{lamp}
A small object, so that what it offers fits a test.
methods:
  blink(times: int) -> Iterator[bool]  (stream)
  flash() -> None  (oneway)
  switch(on: bool = True) -> bool
      Switch it on or off.
  values() -> dict[typing.Any, typing.Any]
attributes:
  brightness: float
  colour: str  (read-only)
      What it looks like.
"""
    assert call(uri=lamp) == (0, expected, "")
    assert call("--list", uri=lamp) == (0, expected, "")


def test_members_are_shown_in_json(
    call: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    status, output, _ = call("--list", "--json", uri=lamp)
    assert status == 0
    listed = json.loads(output)
    assert listed["methods"] == ["blink", "flash", "switch", "values"]
    assert listed["attributes"] == ["brightness", "colour"]
    assert listed["oneway"] == ["flash"]
    assert listed["members"]["switch"]["signature"] == "(on: bool = True) -> bool"
    assert listed["members"]["colour"] == {
        "signature": ": str",
        "doc": "What it looks like.",
    }


def test_all_about_one_method_is_shown(
    call: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    status, output, _ = call("--list", "switch", uri=lamp)
    assert status == 0
    assert output.startswith("  switch(on: bool = True) -> bool\n      Switch it")
    assert "Whether it was on." in output
    assert "colour" not in output
    assert json.loads(call("--json", "--list", "switch", uri=lamp)[1])["name"]
    assert "did you mean 'switch'?" in call("--list", "swich", uri=lamp)[2]


def test_of_a_server_that_tells_no_more_the_names_are_shown(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    def serve(peer: Peer) -> None:
        peer.admit(methods=["on", "off"], oneway=["off"], attributes=["colour"])
        request = peer.receive()
        payload = serializers_by_id[request.serializer_id].dumps(
            AttributeError("no get_description")
        )
        peer.send(MessageType.RESULT, request, payload, flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with ScriptedServer(serve) as server:
        status, output, _ = call(uri=server.uri)
    assert status == 0
    assert output == (
        f"{server.uri}\nmethods:\n  off  (oneway)\n  on\nattributes:\n  colour\n"
    )


# Attributes


def test_an_attribute_is_written(
    call: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    assert call("--set", "brightness", "0.75", uri=lamp) == (0, "", "")
    assert call("--attr", "brightness", uri=lamp) == (0, "0.75\n", "")


def test_the_new_value_of_an_attribute_may_have_an_equals_sign(
    call: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    assert call("--set", "brightness", "a=b", uri=lamp)[0] == 0
    assert call("brightness", uri=lamp) == (0, "a=b\n", "")


def test_an_attribute_that_cannot_be_written(
    call: Callable[..., tuple[int, str, str]], lamp: str
) -> None:
    status, _, errors = call("--set", "colour", "green", uri=lamp)
    assert status == 1
    assert "AttributeError" in errors
    status, _, errors = call("--set", "color", "green", uri=lamp)
    assert status == 1
    assert "did you mean 'colour'?" in errors


# Streams and oneway calls


def test_a_stream_is_ended_after_a_number_of_items(
    call: Callable[..., tuple[int, str, str]], bench: Workbench
) -> None:
    assert call("--limit", "2", "count", "1000") == (0, "0\n1\n", "")
    assert bench.stream_ends.acquire(timeout=DEADLINE)


def test_lists_are_printed_item_by_item_if_wanted(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    assert call("--stream", "echo", "[1, 'b']") == (0, "1\nb\n", "")
    assert call("--stream", "-j", "echo", "[1, 'b']") == (0, '1\n"b"\n', "")
    status, output, errors = call("--stream", "add", "1", "2")
    assert (status, output) == (1, "")
    assert "no stream, but of type int" in errors


def test_a_call_can_be_left_alone(
    call: Callable[..., tuple[int, str, str]], bench: Workbench
) -> None:
    assert call("--oneway", "slow") == (0, "", "")
    assert bench.started.acquire(timeout=DEADLINE)


# Files


def test_arguments_can_come_from_files(
    call: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    data = tmp_path / "data.json"
    data.write_text('{"a": [true, null]}\n')
    assert call("--files", "echo", f"@{data}")[1] == "{'a': [True, None]}\n"
    assert call("-f", "echo", f"value=@bytes:{data}")[1].startswith("b'{")


def test_an_argument_can_come_from_standard_input(uri: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyro_client", "-f", uri, "echo", "@-"],
        input="[1, 2]\n",
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "[1, 2]\n", "")


def test_files_are_not_read_unless_that_is_wanted(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    assert call("echo", "@/etc/hostname")[1] == "@/etc/hostname\n"
    status, _, errors = call("--files", "echo", "@/no/such/file")
    assert status == 2
    assert "/no/such/file" in errors


# Failures


def test_a_remote_exception_is_shown_with_its_traceback(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, output, errors = call("--traceback", "fail", "too short")
    assert (status, output) == (1, "")
    assert "This exception occurred remotely" in errors
    assert "raise ValueError(message, 7)" in errors
    assert errors.count("occurred remotely") == 1
    assert errors.endswith("\npyro-call: ValueError: ('too short', 7)\n")
    assert "blocking_channel" not in errors


def test_a_remote_exception_is_one_line(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    expected = "pyro-call: ValueError: ('too short', 7)\n"
    assert call("fail", "too short") == (1, "", expected)


def test_errors_are_told_in_json(
    call: Callable[..., tuple[int, str, str]], closed_location: str
) -> None:
    status, output, errors = call("--json", "fail", "too short")
    assert (status, output) == (1, "")
    error = json.loads(errors)["error"]
    assert (error["type"], error["message"]) == ("ValueError", "('too short', 7)")
    assert error["remote"]
    assert "raise ValueError(message, 7)" in "".join(error["traceback"])
    status, _, errors = call("--json", "add", uri=f"PYRO:bench@{closed_location}")
    assert status == 3
    error = json.loads(errors)["error"]
    assert error["outcome"] == "not_sent"
    assert not error["remote"]


def test_numbers_that_json_does_not_have_become_text(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    assert call("--json", "echo", "[1e999, 1.5]")[1] == '["inf", 1.5]\n'


def test_a_server_may_ask_who_is_calling(
    call: Callable[..., tuple[int, str, str]], bench: Workbench, tmp_path: Path
) -> None:
    def demand_token(_client: object, handshake: Any) -> str:
        if handshake != {"token": 7}:
            raise PermissionError("who are you?")
        return "welcome"

    with HostThread(validate_handshake=demand_token) as host:
        uri = str(host.register(bench, "bench"))
        status, _, errors = call("add", "1", "2", uri=uri)
        assert status == 3
        assert "who are you?" in errors
        told = call("--handshake", '{"token": 7}', "add", "1", "2", uri=uri)
        secret = tmp_path / "token.json"
        secret.write_text('{"token": 7}\n')
        from_file = call("--handshake-file", str(secret), "add", "1", "2", uri=uri)
    assert told == from_file == (0, "3\n", "")


def test_a_server_that_is_not_reached_is_a_case_for_the_doctor(
    call: Callable[..., tuple[int, str, str]], closed_location: str
) -> None:
    uri = f"PYRO:bench@{closed_location}"
    assert f"pyro-doctor {uri}" in call("add", uri=uri)[2]
    assert "pyro-doctor" not in call("fail")[2]


def test_a_connection_that_is_lost_during_the_call_is_status_3(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    def hang_up(peer: Peer) -> None:
        peer.admit(methods=["add"])
        peer.receive()

    with ScriptedServer(hang_up) as server:
        status, output, errors = call("add", "1", "2", uri=server.uri)
    assert (status, output) == (3, "")
    assert errors.startswith("pyro-call: ")
    assert errors.count("\n") == 1


def test_a_stream_that_fails_shows_its_items_first(
    call: Callable[..., tuple[int, str, str]],
) -> None:
    status, output, errors = call("stumble")
    assert (status, output) == (1, "1\n")
    assert errors.endswith("pyro-call: KeyError: 'stumbled'\n")


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
        (["--list", "add", "1"], "--list"),
        (["--attribute"], "--attr"),
        (["--attr", "level", "3"], "--set"),
        (["--set", "level"], "--set"),
        (["--set", "level", "1", "2"], "--set"),
        (["--attr", "--set", "level"], "not allowed with"),
        (["--oneway"], "--oneway"),
        (["--limit", "-1", "add"], "--limit"),
        (["--handshake-file", "/no/such/file", "add"], "/no/such/file"),
        (["--timeout", "-1", "add"], "--timeout"),
        (["--timeout", "nan", "add"], "--timeout"),
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


@pytest.mark.parametrize("item", ["SERIALIZER", "NS_PORT", "COMMTIMEOUT"])
def test_an_unusable_variable_is_told_in_one_line(item: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyro_client", "PYRONAME:bench@localhost", "add"],
        env={**os.environ, f"PYRO_{item}": "none"},
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert result.returncode in (2, 3)
    assert f"PYRO_{item}" in result.stderr
    assert "Traceback" not in result.stderr


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
