"""The command ``pyro-httpgw``, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw import __version__
from support.gateway import GatewayProcess
from support.hosting import DEADLINE
from support.web import NAME, Site

if TYPE_CHECKING:
    from support.gateway import Answer


def place_of(site: Site) -> dict[str, str]:
    return {
        "PYRO_NS_HOST": site.config.NS_HOST,
        "PYRO_NS_PORT": str(site.config.NS_PORT),
    }


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyro_httpgw", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_it_says_what_it_does_and_answers(site: Site) -> None:
    with GatewayProcess(environment=place_of(site)) as gateway:
        assert gateway.output[:2] == [
            r"Exposing objects whose names begin with: http\.",
            f"Connected to name server at {site.name_server.location}",
        ]
        assert gateway.ask(f"/pyro/{NAME}/target").json() == 20.5
        assert gateway.ask("/pyro/Pyro.NameServer/list").status == 403


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_asked_to(site: Site, number: int) -> None:
    with GatewayProcess(environment=place_of(site)) as gateway:
        client = gateway.connect()
        client.request("GET", f"/pyro/{NAME}/target")
        assert client.getresponse().read() == b"20.5"
        output, errors = gateway.end(number)
        client.close()
        assert (output, errors) == ("Pyro HTTP gateway stopped.\n", "")
        assert gateway.process.returncode == 0


def test_it_answers_what_was_begun_before_it_ends(site: Site) -> None:
    with GatewayProcess(environment=place_of(site)) as gateway:
        answers: list[Answer] = []
        asking = threading.Thread(
            target=lambda: answers.append(gateway.ask(f"/pyro/{NAME}/wait"))
        )
        asking.start()
        assert site.thermostat.waiting.acquire(timeout=DEADLINE)
        gateway.process.send_signal(signal.SIGTERM)
        site.thermostat.release.set()
        asking.join(DEADLINE)
        assert [answer.json() for answer in answers] == ["waited"]
        assert gateway.process.wait(DEADLINE) == 0


def test_the_options_are_the_settings(site: Site) -> None:
    arguments = ["-e", "", "-g", "secret", "-c", "https://a.example", "-t", "1.5"]
    with GatewayProcess(*arguments, environment=place_of(site)) as gateway:
        assert gateway.output[0].startswith("WARNING: exposing all objects")
        assert gateway.ask(f"/pyro/{NAME}/target").status == 403
        answer = gateway.ask(f"/pyro/{NAME}/target?$key=secret")
        assert answer.json() == 20.5
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert gateway.ask(f"/pyro/{NAME}/wait?$key=secret").status == 504
        output, errors = gateway.end(signal.SIGTERM)
        assert "secret" not in output + errors + "".join(gateway.output)


def test_the_key_can_be_kept_off_the_command_line(site: Site) -> None:
    environment = place_of(site) | {"PYRO_HTTPGATEWAY_KEY": "secret"}
    with GatewayProcess(environment=environment) as gateway:
        headers = {"X-Pyro-Gateway-Key": "secret"}
        assert gateway.ask("/pyro/").status == 403
        assert gateway.ask("/pyro/", headers=headers).status == 200
        assert gateway.end(signal.SIGTERM)[1] == ""


def test_a_key_in_both_places_is_an_error() -> None:
    result = run("-g", "one", PYRO_HTTPGATEWAY_KEY="two")
    assert result.returncode == 2
    assert "both given" in result.stderr
    assert "two" not in result.stderr


def test_it_starts_without_a_name_server_and_finds_it_later(site: Site) -> None:
    environment = place_of(site)
    site.name_server.stop()
    with GatewayProcess(environment=environment) as gateway:
        assert gateway.output[1].startswith("No name server yet (")
        assert gateway.ask(f"/pyro/{NAME}/target").status == 503
        with Site(name_server_port=site.config.NS_PORT):
            assert gateway.ask(f"/pyro/{NAME}/target").json() == 20.5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-e", "["], "--expose: invalid expression '['"),
        (["-p", "70000"], "not a port: 70000"),
        (["-p", "x"], "--port"),
        (["-t", "soon"], "invalid float value"),
        (["--unknown"], "unrecognized arguments"),
    ],
)
def test_a_wrong_option_is_explained(arguments: list[str], said: str) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert said in result.stderr


def test_an_address_in_use_is_explained(site: Site) -> None:
    port = site.daemon.location.rpartition(":")[2]
    result = run("-H", "127.0.0.1", "-p", port)
    assert result.returncode == 1
    assert result.stderr.startswith("pyro-httpgw: cannot listen on 127.0.0.1")
    assert "Traceback" not in result.stderr


def test_it_tells_its_version_and_options() -> None:
    assert run("--version").stdout.strip() == __version__
    shown = run("--help").stdout
    for option in (
        "--host",
        "--port",
        "--expose",
        "--gatewaykey",
        "--cors",
        "--timeout",
    ):
        assert option in shown
