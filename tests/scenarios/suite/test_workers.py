"""``pyro-serve`` with workers, a name server that restarts, and clients that go on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pyro_suite import NameServerClient, Proxy, errors
from support.daemons import eventually
from support.programs import Program
from support.pyro_serve import PyroServe

FOLDER = Path(__file__).parent

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers need POSIX")


def name_server(port: str) -> tuple[Program, str, str]:
    options = ("-n", "127.0.0.1", "-p", port, "-x", "-s", "memory")
    program = Program("-m", "pyro_naming", *options)
    try:
        ready = program.wait_for(r"URI = PYRO:Pyro.NameServer@(\S+):(\d+)")
    except BaseException:
        with program:
            raise
    return program, ready[1], ready[2]


def test_names_come_back_after_the_name_server_was_restarted() -> None:
    names, host, port = name_server("0")
    with names:
        serving = PyroServe(
            *("house:Thermostat", "--name", "house.thermostat", "--workers", "2"),
            *("--metadata", "heating", "--names-check", "0.1"),
            folder=FOLDER,
            PYRO_NS_HOST=host,
            PYRO_NS_PORT=port,
        )
        with serving:
            serving.wait_until_ready()
            uri = f"PYRONAME:house.thermostat@{host}:{port}"
            with Proxy(uri) as thermostat:
                assert thermostat.heat("attic").startswith("Heating")
                names.end(signal.SIGKILL)
                serving.wait_for("the name server cannot be reached")
                # Those who have found it go on meanwhile.
                assert thermostat.heat("hall").startswith("Heating")
            names, host, port = name_server(port)
            with names:
                serving.wait_for("name house.thermostat was gone, and is registered")
                with Proxy(f"PYROMETA:heating@{host}:{port}") as thermostat:
                    assert thermostat.heat("attic").startswith("Heating")
                assert serving.end() == 0
                with NameServerClient(f"PYRO:Pyro.NameServer@{host}:{port}") as client:
                    assert "house.thermostat" not in client.list()


def test_a_proxy_goes_on_after_a_reload_and_a_crash() -> None:
    arguments = ("house:Thermostat", "--no-ns", "--workers", "2")
    with PyroServe(*arguments, folder=FOLDER) as serving:
        serving.wait_until_ready()
        with Proxy(serving.uri) as thermostat:
            assert thermostat.heat("attic").startswith("Heating")
            serving.send_signal(signal.SIGHUP)
            serving.wait_for("the new workers are ready")
            heat_until_answered(thermostat)
            for pid in serving.workers.values():
                os.kill(pid, signal.SIGKILL)
            serving.wait_for("starting it again")
            heat_until_answered(thermostat)
        assert serving.end() == 0


def heat_until_answered(thermostat: Proxy) -> None:
    """Call as a patient client does: its connection may have ended."""

    def answered() -> bool:
        try:
            return bool(thermostat.heat("hall"))
        except errors.ConnectionClosedError:
            return False

    eventually(answered)
