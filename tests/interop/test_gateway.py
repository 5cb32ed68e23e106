"""The same requests to Pyro5's web gateway and to ours, side by side."""

from __future__ import annotations

import http.client
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).parent / "programs" / "gateway_target.py"
CORRELATION = "12345678-1234-5678-1234-567812345678"
KEY = "a-gateway-key"


class Answer(NamedTuple):
    """What a gateway answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Gateways:
    """Both gateways, for the same objects."""

    def __init__(self, theirs: int, ours: int) -> None:
        self._ports = theirs, ours

    def ask(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[Answer, Answer]:
        """Return the answers of theirs and ours."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        theirs, ours = (_ask(port, path, method, fields) for port in self._ports)
        return theirs, ours


def _ask(port: int, path: str, method: str, headers: dict[str, str]) -> Answer:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        client.request(method, path, headers=headers)
        response = client.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        client.close()


def gateways_with(*arguments: str, library: str) -> Iterator[Gateways]:
    python5 = pyro5_python()
    at = ("-H", "127.0.0.1", "-p", "0", *arguments)
    with ExitStack() as programs:
        name_server, host, port = name_server_of_pyro5(python5)
        programs.enter_context(name_server)
        settings = {"PYRO_NS_HOST": host, "PYRO_NS_PORT": str(port)}
        if library != "Pyro5.api":
            settings["PYRO_SERIALIZERS_ACCEPTED"] = "native,serpent,json,msgpack"
        python = python5 if library == "Pyro5.api" else sys.executable
        target = Program(TARGET, library, python=python, settings=settings)
        programs.enter_context(target).wait_for("^ready$")
        settings.pop("PYRO_SERIALIZERS_ACCEPTED", None)
        found = []
        for command, interpreter in (
            ("Pyro5.utils.httpgateway", python5),
            ("pyro_httpgw", sys.executable),
        ):
            program = Program("-m", command, *at, python=interpreter, settings=settings)
            programs.enter_context(program)
            ready = program.wait_for(r"running on http://127\.0\.0\.1:(\d+)/pyro/")
            found.append(int(ready[1]))
        yield Gateways(*found)


@pytest.fixture(scope="module", params=["Pyro5.api", "pyro_suite"])
def gateways(request: pytest.FixtureRequest) -> Iterator[Gateways]:
    """Both, for objects that are served by Pyro5 or by us."""
    yield from gateways_with(library=request.param)


@pytest.mark.parametrize(
    "path",
    [
        "http.target/nothing",
        "http.target/level",
        "http.target/both?left=1",
        "http.target/both?left=1&right=two+words",
        "http.target/both?left=%E2%82%AC&right=a%26b%3Dc%2Fd",
        "http.target/both?left=1&left=2&left=3",
        "http.target/both?left=1&right=",
        "http.target/both?left=a;b",
        "http.target/values",
        "http.target/uri",
        "http.target/$meta",
        "http.folder/target/both?left=1",
        "http%2Etarget/level",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_results_are_the_same(gateways: Gateways, path: str, method: str) -> None:
    theirs, ours = gateways.ask(f"/pyro/{path}", method)
    assert theirs.status == ours.status == 200
    name = "Content-Type"
    assert ours.headers[name] == theirs.headers[name]
    expected, result = theirs.json(), ours.json()
    if path.endswith("$meta"):
        # Sets, in any order.
        expected, result = (
            {kind: sorted(names) for kind, names in answer.items()}
            for answer in (expected, result)
        )
    assert result == expected


def test_an_exception_is_the_same(gateways: Gateways) -> None:
    theirs, ours = gateways.ask("/pyro/http.target/fail")
    assert theirs.status == ours.status == 500
    expected, result = theirs.json(), ours.json()
    for name in ("__class__", "__exception__", "args"):
        assert result[name] == expected[name]


@pytest.mark.parametrize(
    ("path", "class_name"),
    [
        ("http.target/missing", "builtins.AttributeError"),
        ("http.target/_private", "builtins.AttributeError"),
        ("http.unknown/both", "Pyro5.errors.NamingError"),
    ],
)
def test_what_is_not_there_is_the_same_exception(
    gateways: Gateways, path: str, class_name: str
) -> None:
    theirs, ours = gateways.ask(f"/pyro/{path}")
    assert theirs.json()["__class__"] == ours.json()["__class__"] == class_name
    assert ours.json()["__exception__"] is True
    # Theirs has 500 for all errors.
    assert (theirs.status, ours.status) == (500, 404)


def test_a_correlation_id_goes_with_the_call(gateways: Gateways) -> None:
    theirs, ours = gateways.ask(
        "/pyro/http.target/correlation", X_Pyro_Correlation_Id=CORRELATION
    )
    assert theirs.json() == ours.json() == CORRELATION
    name = "X-Pyro-Correlation-Id"
    assert theirs.headers[name] == ours.headers[name] == CORRELATION


@pytest.mark.parametrize(
    ("member", "headers"),
    [("notify", {}), ("touch", {"X_Pyro_Options": "oneway"})],
)
def test_a_oneway_call_has_an_empty_answer(
    gateways: Gateways, member: str, headers: dict[str, str]
) -> None:
    for answer in gateways.ask(f"/pyro/http.target/{member}", **headers):
        assert (answer.status, answer.body) == (200, b"")
    for answer in gateways.ask("/pyro/http.target/was_notified"):
        assert answer.json() is True


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 302),
        ("GET", "/pyro", 404),
        ("GET", "/elsewhere", 404),
        ("GET", "/pyro/http.target", 404),
        ("GET", "/pyro/http.target/", 404),
        ("OPTIONS", "/pyro/http.target/both", 200),
        ("DELETE", "/pyro/http.target/both", 405),
        ("GET", "/pyro/other.target/level", 403),
        ("GET", "/pyro/", 200),
    ],
)
def test_the_status_is_the_same(
    gateways: Gateways, method: str, path: str, status: int
) -> None:
    theirs, ours = gateways.ask(path, method)
    assert (theirs.status, ours.status) == (status, status)
    name = "Location"
    assert ours.headers[name] == theirs.headers[name]


def test_a_gateway_key_is_presented_in_the_same_ways() -> None:
    path = "/pyro/http.target/both?left=1"
    for gateways in gateways_with("-g", KEY, library="Pyro5.api"):
        for wrong in ({}, {"X_Pyro_Gateway_Key": "wrong"}):
            theirs, ours = gateways.ask(path, **wrong)
            assert theirs.status == 403
            # Without any key a browser would not ask for one otherwise.
            assert ours.status == (403 if wrong else 401)
        for answers in (
            gateways.ask(path, X_Pyro_Gateway_Key=KEY),
            gateways.ask(f"{path}&$key={KEY}"),
        ):
            for answer in answers:
                assert (answer.status, answer.json()) == (200, ["1", "unset"])
