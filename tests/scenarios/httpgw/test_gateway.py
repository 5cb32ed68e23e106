"""pyro-httpgw installed alone, in front of a real Pyro5 name server and daemon."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from support.gateway import GatewayProcess
from support.hosting import DEADLINE
from support.peers import pyro5_python

if TYPE_CHECKING:
    from collections.abc import Iterator

LIGHTHOUSE = """
import datetime, sys, threading
import Pyro5.api, Pyro5.nameserver

@Pyro5.api.expose
class Lighthouse:
    def __init__(self):
        self._lit = threading.Event()
        self._name = "Pharos"

    @property
    def name(self):
        return self._name

    def blink(self, times=1, colour="white"):
        return {"times": times, "colour": colour}

    def log(self):
        return {
            "built": datetime.date(1847, 5, 1),
            "keepers": ("Ida", "Grace"),
            "heights": {12},
            "unmeasured": float("nan"),
        }

    def sink(self):
        raise FileNotFoundError(2, "no such ship")

    @Pyro5.api.oneway
    def light(self):
        self._lit.set()

    def light_now(self):
        self._lit.set()

    def is_lit(self):
        return self._lit.wait(10)

    def flashes(self):
        yield 1

    def where(self):
        return Pyro5.api.URI("PYRO:rock@north.sea:7")

    def correlation(self):
        return str(Pyro5.api.current_context.correlation_id)

uri, daemon, _ = Pyro5.nameserver.start_ns("127.0.0.1", 0, enableBroadcast=False)
threading.Thread(target=daemon.requestLoop, daemon=True).start()
objects = Pyro5.api.Daemon("127.0.0.1")
name_server = Pyro5.api.Proxy(uri)
name_server.register("http.lighthouse", objects.register(Lighthouse()))
name_server.register("hidden.lighthouse", objects.register(Lighthouse()))
name_server._pyroRelease()
print(uri.port, flush=True)
objects.requestLoop()
"""


@pytest.fixture(scope="module")
def name_server_port() -> Iterator[int]:
    process = subprocess.Popen(
        [pyro5_python(), "-c", LIGHTHOUSE],
        env={name: v for name, v in os.environ.items() if not name.startswith("PYRO_")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(DEADLINE, process.kill)
    watchdog.start()
    with process:
        assert process.stdout is not None
        port = process.stdout.readline()
        watchdog.cancel()
        assert port, "the Pyro5 peer did not start"
        yield int(port)
        process.kill()


@pytest.fixture(scope="module")
def environment(name_server_port: int) -> dict[str, str]:
    return {"PYRO_NS_HOST": "127.0.0.1", "PYRO_NS_PORT": str(name_server_port)}


@pytest.fixture(scope="module")
def gateway(environment: dict[str, str]) -> Iterator[GatewayProcess]:
    with GatewayProcess(environment=environment) as gateway:
        yield gateway


def result(gateway: GatewayProcess, call: str) -> Any:
    answer = gateway.ask(f"/pyro/http.lighthouse/{call}")
    assert answer.status == 200, answer
    return answer.json()


def test_methods_are_called_and_attributes_read(gateway: GatewayProcess) -> None:
    assert result(gateway, "blink") == {"times": 1, "colour": "white"}
    expected = {"times": "3", "colour": ["red", "green"]}
    assert result(gateway, "blink?times=3&colour=red&colour=green") == expected
    assert result(gateway, "name") == "Pharos"


def test_the_members_are_told(gateway: GatewayProcess) -> None:
    meta = result(gateway, "$meta")
    assert meta["attributes"] == ["name"]
    assert {"blink", "sink", "light"} <= set(meta["methods"])


def test_results_come_in_strict_json(gateway: GatewayProcess) -> None:
    assert result(gateway, "log") == {
        "built": "1847-05-01",
        "keepers": ["Ida", "Grace"],
        "heights": [12],
        "unmeasured": None,
    }
    assert result(gateway, "where") == {
        "__class__": "Pyro5.core.URI",
        "state": ["PYRO", "rock", None, "north.sea", 7],
    }


def test_numbers_and_structures_can_be_posted(gateway: GatewayProcess) -> None:
    answer = gateway.ask(
        "/pyro/http.lighthouse/blink",
        "POST",
        json.dumps({"times": 3, "colour": {"left": "red"}}),
        {"Content-Type": "application/json"},
    )
    assert answer.json() == {"times": 3, "colour": {"left": "red"}}


def test_a_remote_exception_is_passed_on(gateway: GatewayProcess) -> None:
    answer = gateway.ask("/pyro/http.lighthouse/sink")
    assert answer.status == 500
    assert answer.headers["Content-Type"] == "application/problem+json"
    error = json.loads(answer.body)
    assert error["__class__"] == "builtins.FileNotFoundError"
    assert error["args"] == [2, "no such ship"]
    assert "no such ship" in error["detail"]
    # Nobody has presented a key.
    assert "_pyroTraceback" not in error["attributes"]


def test_who_has_the_key_is_told_where_an_exception_comes_from(
    environment: dict[str, str],
) -> None:
    locked = environment | {"PYRO_HTTPGATEWAY_KEY": "beacon"}
    with GatewayProcess(environment=locked) as gateway:
        answer = gateway.ask(
            "/pyro/http.lighthouse/sink", headers={"X-Pyro-Gateway-Key": "beacon"}
        )
    error = json.loads(answer.body)
    assert "in sink" in "".join(error["attributes"]["_pyroTraceback"])


def test_a_generator_is_a_stream(gateway: GatewayProcess) -> None:
    answer = gateway.ask("/pyro/http.lighthouse/flashes")
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert (answer.status, answer.body) == (200, b"1\n")
    events = gateway.ask(
        "/pyro/http.lighthouse/flashes", headers={"Accept": "text/event-stream"}
    )
    assert events.body.startswith(b"id: 1\ndata: 1\n\nevent: end\n")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/pyro/http.nobody/blink", 404),
        ("/pyro/http.lighthouse/nothing", 404),
        ("/pyro/http.lighthouse", 404),
        ("/elsewhere", 404),
        ("/pyro/hidden.lighthouse/blink", 403),
        ("/pyro/Pyro.NameServer/list", 403),
        ("/pyro/http.lighthouse/name?x=1", 400),
    ],
)
def test_what_cannot_be_done_is_told_by_the_status(
    gateway: GatewayProcess, path: str, status: int
) -> None:
    answer = gateway.ask(path)
    assert answer.status == status
    uuid.UUID(answer.headers["X-Pyro-Correlation-Id"])  # raises if it is none


@pytest.mark.parametrize(
    ("method", "headers"), [("light", {}), ("light_now", {"X-Pyro-Options": "oneway"})]
)
def test_a_oneway_call_is_made(
    gateway: GatewayProcess, method: str, headers: dict[str, str]
) -> None:
    answer = gateway.ask(f"/pyro/http.lighthouse/{method}", headers=headers)
    assert (answer.status, answer.body) == (200, b"")
    assert result(gateway, "is_lit") is True


def test_the_correlation_id_goes_all_the_way(gateway: GatewayProcess) -> None:
    own = str(uuid.uuid4())
    answer = gateway.ask(
        "/pyro/http.lighthouse/correlation", headers={"X-Pyro-Correlation-Id": own}
    )
    assert answer.json() == answer.headers["X-Pyro-Correlation-Id"] == own


def test_the_explorer_and_what_it_asks_for(gateway: GatewayProcess) -> None:
    assert gateway.ask("/").headers["Location"] == "/pyro/"
    page = gateway.ask("/pyro/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert gateway.ask("/static/main.js").status == 200
    listed = gateway.ask("/pyro/$objects").json()["objects"]
    assert [one["name"] for one in listed] == ["http.lighthouse"]
    paths = gateway.ask("/openapi.json").json()["paths"]
    assert "/pyro/http.lighthouse/blink" in paths
    assert gateway.ask("/readyz").status == 200


def test_many_callers_at_once_get_their_own_answers(gateway: GatewayProcess) -> None:
    with ThreadPoolExecutor(16) as pool:
        calls = [f"blink?times={n}" for n in range(200)]
        answers = list(pool.map(lambda call: result(gateway, call), calls))
    assert [answer["times"] for answer in answers] == [str(n) for n in range(200)]


def test_with_a_key_nothing_is_shown_without_it(environment: dict[str, str]) -> None:
    locked = environment | {"PYRO_HTTPGATEWAY_KEY": "beacon"}
    with GatewayProcess("-e", "", environment=locked) as gateway:
        for path in ("/pyro/$objects", "/pyro/Pyro.NameServer/count", "/openapi.json"):
            assert gateway.ask(path).status == 401
            assert gateway.ask(f"{path}?$key=boat").status == 403
            assert gateway.ask(f"{path}?$key=beacon").status == 200
        # The page has to ask for the key, and holds nothing else.
        assert b"lighthouse" not in gateway.ask("/pyro/").body
        names = gateway.ask("/pyro/Pyro.NameServer/list?$key=beacon").json()
        assert "hidden.lighthouse" in names
        output, errors = gateway.end(signal.SIGTERM)
        assert gateway.process.returncode == 0
        assert "beacon" not in output + errors
