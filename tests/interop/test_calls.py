"""Calls between our programs and Pyro5's, in both directions, in every serializer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).parent / "programs"
SERIALIZERS = ["serpent", "json", "msgpack", "marshal"]

EVERYWHERE = {
    "metadata": "(True, ['add', 'annotated', 'arrives_as', 'call_back', 'child', "
    "'correlation', 'count_up', 'echo', 'fail', 'fail_with_own_error', 'notify', "
    "'unexposed_result', 'uri', 'was_notified'])",
    "oneway names": "['notify']",
    "attribute names": "['level']",
    "add": "5",
    "keyword": "7",
    "default": "11",
    "echo text": repr("caf\u00e9 \N{SNOWMAN} 'quoted'"),
    "send text": repr(repr("caf\u00e9 \N{SNOWMAN} 'quoted'")),
    "echo numbers": repr([1, -2, 2**40, 2**80, 0.5, True, None]),
    "send numbers": repr(repr([1, -2, 2**40, 2**80, 0.5, True, None])),
    "echo nested": "{'list': [1, [2, [3]]], 'dict': {'a': {'b': 'c'}}}",
    "get attribute": "3",
    "set attribute": "9",
    "exception": "ValueError: ('text', 7)",
    "remote traceback": "True",
    "own error": "NamingError: no such name",
    "still alive": "2",
    "after it": "2",
    "oneway": "None",
    "oneway was run": "True",
    "batch": repr(["3", "15", "ValueError('in a batch', 7)"]),
    "oneway batch": "True",
    "stream": "[0, 1, 2, 3, 4]",
    "empty stream": "[]",
    "partly read stream": "(0, 1, 2)",
    "child": "'child'",
    "uri": "'PYRO:some@example.org:1234'",
    "annotations": "(['RQST'], ['RSPN'], b'answer')",
    "correlation id": "True",
    "ping": "None",
}

# How values arrive depends on the serializer (spec: serializers, section 3).
TUPLES_AND_SETS = {
    "serpent": ("(1, 'two', (3.0,))", "{'only'}"),
    "marshal": ("(1, 'two', (3.0,))", "{'only'}"),
    "json": ("[1, 'two', [3.0]]", "['only']"),
    "msgpack": ("[1, 'two', [3.0]]", "['only']"),
}
BASE64 = "{'data': 'AP8gYnl0ZXM=', 'encoding': 'base64'}"
BYTES = {
    "serpent": BASE64,
    "msgpack": r"b'\x00\xff bytes'",
    "marshal": r"b'\x00\xff bytes'",
}


@pytest.fixture(scope="module")
def pyro5_target() -> Iterator[str]:
    with Program(
        PROGRAMS / "target_server.py", "Pyro5.api", python=pyro5_python()
    ) as program:
        yield program.wait_for("^PYRO:.*")[0]


@pytest.fixture(scope="module")
def our_target() -> Iterator[str]:
    accepted = "native,serpent,json,msgpack,marshal"
    with Program(
        PROGRAMS / "target_server.py",
        "pyro_suite",
        settings={"PYRO_SERIALIZERS_ACCEPTED": accepted},
    ) as program:
        yield program.wait_for("^PYRO:.*")[0]


def call(library: str, uri: str, serializer: str) -> dict[str, str]:
    """Run the client program and return its report."""
    options: dict[str, Any] = {}
    if library == "Pyro5.api":
        options["python"] = pyro5_python()
    with Program(
        PROGRAMS / "target_client.py", library, uri, serializer, **options
    ) as program:
        report: dict[str, str] = json.loads(_last(program))
    return report


def _last(program: Program) -> str:
    assert program.wait() == 0, program.lines
    return program.lines[-1]


def check(report: dict[str, str], serializer: str, *, apart_from: set[str]) -> None:
    """Compare a report with what is expected in a serializer."""
    as_tuple, as_set = TUPLES_AND_SETS[serializer]
    expected = EVERYWHERE | {
        "echo tuple": as_tuple,
        "send tuple": repr(as_tuple),
        "echo set": as_set,
        "send set": repr(as_set),
    }
    if serializer in BYTES:
        expected["echo bytes"] = BYTES[serializer]
        expected["send bytes"] = repr(BYTES[serializer])
        expected["echo complex"] = "(1+2j)"
        expected["send complex"] = "'(1+2j)'"
    expected = {name: text for name, text in expected.items() if name not in apart_from}
    assert {name: report[name] for name in expected} == expected
    assert report["unknown method"].startswith("AttributeError: ")
    assert report["private method"].startswith("AttributeError: ")
    assert "must never be seen" not in str(report)
    assert "Error" in report["unserializable"]


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_our_client_calls_a_pyro5_daemon(pyro5_target: str, serializer: str) -> None:
    report = call("pyro_suite", pyro5_target, serializer)
    # What Pyro5's server itself cannot do in marshal (W25, W26).
    unable = {"child"} if serializer == "marshal" else set()
    check(report, serializer, apart_from=unable | _batch_of_pyro5(serializer))


def _batch_of_pyro5(serializer: str) -> set[str]:
    """In marshal Pyro5 answers a batch with an exception as a whole (W20)."""
    return {"batch"} if serializer == "marshal" else set()


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_a_pyro5_client_calls_our_daemon(our_target: str, serializer: str) -> None:
    report = call("Pyro5.api", our_target, serializer)
    # What Pyro5's client itself cannot send in marshal (W24).
    unable = {"get attribute", "set attribute", "batch", "oneway batch"}
    check(report, serializer, apart_from=unable if serializer == "marshal" else set())


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_our_client_calls_our_daemon_as_it_calls_pyro5s(
    our_target: str, serializer: str
) -> None:
    check(call("pyro_suite", our_target, serializer), serializer, apart_from=set())


def test_our_peers_keep_every_type_by_default(our_target: str) -> None:
    report = call("pyro_suite", our_target, "auto")
    assert report["echo tuple"] == "(1, 'two', (3.0,))"
    assert report["echo set"] == "{'only'}"
    assert report["echo bytes"] == r"b'\x00\xff bytes'"
    assert report["echo complex"] == "(1+2j)"


def test_our_client_falls_back_to_serpent_with_a_pyro5_daemon(
    pyro5_target: str,
) -> None:
    report = call("pyro_suite", pyro5_target, "auto")
    check(report, "serpent", apart_from=set())


def test_a_pyro5_client_cannot_use_marshal_unless_our_server_opts_in() -> None:
    with Program(PROGRAMS / "target_server.py", "pyro_suite") as server:
        uri = server.wait_for("^PYRO:.*")[0]
        with Program(
            PROGRAMS / "target_client.py", "Pyro5.api", uri, "marshal",
            python=pyro5_python(),
        ) as client:  # fmt: skip
            report = json.loads(_last(client))
    assert "SERIALIZERS_ACCEPTED" in report["add"]
