"""The container recipe: its commands, run on this machine, find each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from typing import Any

import pytest

from support.hosting import DEADLINE
from support.programs import Program, clean_environment
from support.walkthrough import EXAMPLES, MODULES

FOLDER = EXAMPLES / "containers"
COMPOSE = (FOLDER / "compose.yaml").read_text("utf-8")
SERVICES = ("names", "thermostat", "gateway")
# Each container has an address of its own, on Linux also without containers.
PID = os.getpid()
ADDRESSES = {
    name: f"127.{1 + PID // 65536 % 250 + number}.{PID // 256 % 256}.{PID % 256}"
    for number, name in enumerate(SERVICES)
}


def section(service: str) -> str:
    """Return what the file says of a service."""
    match = re.search(
        rf"^  {service}:\n((?:    .*\n|\n)+)", COMPOSE, flags=re.MULTILINE
    )
    assert match is not None
    return match[1]


def words(service: str, key: str) -> list[str]:
    """Return a list in a service; such lists are JSON as well."""
    match = re.search(rf"{key}: (\[.*?\])\n", section(service), flags=re.DOTALL)
    assert match is not None
    result: list[str] = json.loads(match[1])
    return result


def here(service: str, command: list[str]) -> list[str]:
    """Return a command with the module for its program and addresses of this machine.

    A container listens on all of its addresses; here it has one.
    """
    known = {"0.0.0.0": ADDRESSES[service], **ADDRESSES}
    text = [
        re.sub(r"(?<=@)\w+(?=:)", lambda host: known[host[0]], known.get(word, word))
        for word in command
    ]
    return [*MODULES[text[0]], *text[1:]]


def check_health(service: str, settings: dict[str, str]) -> None:
    kind, *command = words(service, "test")
    assert kind == "CMD"
    subprocess.run(
        [sys.executable, *here(service, command)],
        env=clean_environment(settings),
        check=True,
        timeout=DEADLINE,
        stdout=subprocess.DEVNULL,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="has one loopback address only")
def test_name_server_object_and_gateway_work_together_and_are_healthy() -> None:
    settings = {"PYRO_NS_HOST": ADDRESSES["names"]}
    with ExitStack() as stack:
        for service, ready in zip(
            SERVICES,
            (
                f"URI = .*@{ADDRESSES['names']}:9090",
                "daemon running",
                "running on http",
            ),
            strict=True,
        ):
            if service != "names":
                assert "PYRO_NS_HOST: names" in section(service)
            command = here(service, words(service, "command"))
            program = Program(*command, settings=settings, folder=FOLDER)
            stack.enter_context(program).wait_for(ready)
            if "healthcheck" in section(service):
                check_health(service, settings)
        url = f"http://{ADDRESSES['gateway']}:8080/pyro/house.thermostat/heat?room=hall"
        with urllib.request.urlopen(url, timeout=DEADLINE) as answer:
            assert json.load(answer) == "heating the hall to 21.0 degrees"


def test_the_file_is_yaml_that_says_the_same() -> None:
    yaml: Any = pytest.importorskip("yaml")
    services = yaml.safe_load(COMPOSE)["services"]
    assert tuple(services) == SERVICES
    for service in SERVICES:
        assert services[service]["command"] == words(service, "command")


def test_the_image_has_what_its_commands_need() -> None:
    lines = (FOLDER / "Dockerfile").read_text("utf-8").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and line[0] != "#"]
    copied = [rest.split()[0] for step, rest in steps if step == "COPY"]
    assert all((FOLDER / name).is_file() for name in copied)
    command = next(json.loads(rest) for step, rest in steps if step == "CMD")
    used = [command[0], *(words(service, "command")[0] for service in SERVICES)]
    assert set(used) <= set(MODULES)
    assert ["USER", "nobody"] in steps
