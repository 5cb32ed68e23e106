"""Calls of real Pyro4 clients to our daemons, in every serializer and server type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy
from pyro_protocol import Configuration, expose
from pyro_server import Daemon
from support.daemons import serving
from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).parent / "programs"
TARGET = "example.target"
ACCEPTED = "native,serpent,json,msgpack,marshal,pickle"

EXPECTED = {
    "greeting": "['welcome, friend']",
    "oneway names": "['notify']",
    "attribute names": "['level']",
    "no metadata": "5",
    "add": "5",
    "keyword": "7",
    "default": "11",
    "text": repr("caf\u00e9"),
    "nested": "{'a': [1, {'b': [2.5, None, True]}]}",
    "large": "300000",
    "compressed": "100000",
    "get attribute": "3",
    "set attribute": "9",
    "exception": "builtins.ValueError: ('text', 7)",
    "remote traceback": "True",
    "pyro error": "Pyro4.errors.NamingError: no such name",
    "after it": "2",
    "oneway": "True",
    "batch": repr(["11", "7", "ValueError('in a batch', 7)"]),
    "oneway batch": "True",
    "stream": "[0, 1, 2, 3, 4]",
    "partly read": "(0, 1, 2)",
    "asynchronous": "([10, 11, 12, 13, 14], 22)",
    "asynchronous failure": "('later', 7)",
    "child": "('Pyro4.core', 'hello from the child')",
    "uri": "('Pyro4.core', 'PYRO:some@example.org:1234')",
    "send uri": "'URI PYRO:a@h:1'",
    "send proxy": "'Proxy'",
    "send error": "'NamingError n'",
    "proxy and back": "True",
    "blob": "['info', 1, 2]",
    "call back": "'heard news'",
    "annotations": "(['RQST'], {'RSPN': b'answer'})",
    "correlation": "True",
    "daemon ping": "None",
    "daemon registered": "True",
    "daemon info": "True",
    "daemon metadata": "['notify']",
}
METHODS = {"add", "annotated", "child", "count_up", "echo", "fail", "notify"}
# What Pyro4's client itself cannot send in marshal.
NOT_IN_MARSHAL = {
    "call back",
    "get attribute",
    "set attribute",
    "batch",
    "oneway batch",
}


def serve(**settings: str) -> Program:
    environment = {
        "PYRO_PYRO4_CLIENTS": "on",
        # It calls objects of its clients.
        "PYRO_PYRO4_SERVERS": "on",
        "PYRO_SERIALIZERS_ACCEPTED": ACCEPTED,
        **{f"PYRO_{item}": value for item, value in settings.items()},
    }
    return Program(PROGRAMS / "target_server.py", TARGET, settings=environment)


@pytest.fixture(scope="module", params=["thread", "multiplex", "asyncio"])
def location(request: pytest.FixtureRequest) -> Iterator[str]:
    with serve(SERVERTYPE=request.param) as server:
        yield server.wait_for("^location (.*)")[1]


def run(program: str, *arguments: str, serializer: str = "serpent") -> Any:
    with Program(
        PROGRAMS / program,
        *arguments,
        python=pyro5_python(),
        settings={"PYRO_SERIALIZER": serializer},
    ) as client:
        assert client.wait() == 0, client.lines
        return json.loads(client.lines[-1])


@pytest.mark.parametrize(
    "serializer", ["serpent", "json", "marshal", "msgpack", "pickle"]
)
def test_a_pyro4_client_calls_our_daemon(location: str, serializer: str) -> None:
    report = run("target_client.py", location, TARGET, serializer)

    unable = NOT_IN_MARSHAL if serializer == "marshal" else set()
    expected = {name: text for name, text in EXPECTED.items() if name not in unable}
    assert {name: report[name] for name in expected} == expected
    assert all(name in report["metadata"] for name in METHODS)
    assert "not you" in report["refusal"]
    for name in ("private", "dunder", "unknown"):
        assert report[name].startswith("builtins.AttributeError: ")
    assert "must never be seen" not in str(report)
    assert "Error" in report["own error"]
    assert "Error" in report["unserializable"]


def test_clients_of_both_protocols_share_a_daemon(location: str) -> None:
    with Proxy(f"PYRO:{TARGET}@{location}") as proxy:
        proxy.level = 4
        report = run("target_client.py", location, TARGET, "json")
        assert report["get attribute"] == "4"
        assert proxy.level == 3


def test_marshal_and_pickle_have_to_be_accepted() -> None:
    with serve(SERIALIZERS_ACCEPTED="serpent") as server:
        location = server.wait_for("^location (.*)")[1]
        for serializer in ("marshal", "pickle"):
            (refused,) = run(
                "keyed_client.py", location, TARGET, "", serializer=serializer
            )
            assert "SERIALIZERS_ACCEPTED" in refused


def test_a_key_admits_those_who_have_it() -> None:
    with serve(PYRO4_HMAC_KEY="the key") as server:
        location = server.wait_for("^location (.*)")[1]
        right, wrong, none = run(
            "keyed_client.py", location, TARGET, "the key", "another", ""
        )
        assert right == "(5, [0, 1])"
        assert wrong.startswith("CommunicationError: ")
        assert "hmac mismatch" in wrong
        assert "hmac key config not symmetric" in none
        server.wait_for("the HMAC signature of a message is wrong: the keys differ")
        server.wait_for("a message is not signed with the HMAC key")


def test_a_key_that_the_server_does_not_have_is_refused(location: str) -> None:
    (unwanted,) = run("keyed_client.py", location, TARGET, "the key")
    assert "hmac key config not symmetric" in unwanted


@expose
class Small:
    def add(self, a: int, b: int) -> int:
        return a + b

    def count_up(self, most: int) -> Iterator[int]:
        yield from range(most)


def test_a_unix_socket_is_served_and_a_daemon_has_a_key_of_its_own(
    tmp_path: Path,
) -> None:
    config = Configuration(use_environment=False, PYRO4_CLIENTS=True)
    path = str(tmp_path / "socket")
    with serving(Daemon(unixsocket=path, config=config)) as daemon:
        daemon._pyroHmacKey = "the key"
        daemon.register(Small(), TARGET)
        right, wrong = run(
            "keyed_client.py", f"./u:{path}", TARGET, "the key", "another"
        )
    assert right == "(5, [0, 1])"
    assert "hmac mismatch" in wrong


def test_without_the_setting_pyro4_clients_are_told_so() -> None:
    with serve(PYRO4_CLIENTS="off") as server:
        location = server.wait_for("^location (.*)")[1]
        (answer,) = run("keyed_client.py", location, TARGET, "")
        assert answer.startswith(("CommunicationError: ", "ProtocolError: "))
        server.wait_for("invalid protocol version: 48")
