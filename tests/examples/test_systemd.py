"""The recipe for systemd, as far as it goes without systemd as the first process."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.browsing import program as installed
from support.hosting import DEADLINE
from support.programs import Program, clean_environment
from support.walkthrough import EXAMPLES, MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = EXAMPLES / "systemd"
UNITS = ("thermostat.service", "thermostat.socket", "pyro-ns.service")
BIN = "/opt/house/bin/"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


def setting(unit: str, key: str) -> str:
    """Return what a unit says."""
    text = (FOLDER / unit).read_text("utf-8")
    match = re.search(rf"^{key}=(.*)$", text, flags=re.MULTILINE)
    assert match is not None
    return match[1]


def command(unit: str) -> list[str]:
    """Return the words of ExecStart, with the module in place of the program."""
    path, *rest = shlex.split(setting(unit, "ExecStart"))
    assert path.startswith(BIN)
    return [*MODULES[path.removeprefix(BIN)], *rest]


def call(uri: str, **settings: str) -> str:
    """Call the thermostat as the README does."""
    done = subprocess.run(
        [sys.executable, "-m", "pyro_client", uri, "heat", "hall"],
        env=clean_environment(settings),
        check=True,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    return done.stdout.strip()


@pytest.fixture
def name_server(tmp_path: Path) -> Iterator[str]:
    """Start the name server of the recipe; its port."""
    words = [
        word.replace("${STATE_DIRECTORY}", str(tmp_path))
        for word in command("pyro-ns.service")
    ]
    with Program(*words, "--port", "0", "--nobc") as program:
        yield program.wait_for(r"URI = PYRO:\S+:(\d+)")[1]
        assert program.end() == 0
        assert (tmp_path / "names.sqlite").exists()


def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    analyze = installed("systemd-analyze")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("pyro-serve", "pyro-ns"):
        programs.joinpath(name).symlink_to(shutil.which("true") or "/bin/true")
    for unit in UNITS:
        text = (FOLDER / unit).read_text("utf-8").replace(BIN, f"{programs}/")
        tmp_path.joinpath(unit).write_text(text, "utf-8")
    done = subprocess.run(
        [analyze, "verify", *UNITS],
        cwd=tmp_path,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEADLINE,
    )
    own = [line for line in done.stdout.splitlines() if "thermostat" in line]
    assert (done.returncode, own) == (0, []), done.stdout


def test_the_service_says_when_it_is_ready_and_ends_in_good_order(
    tmp_path: Path, name_server: str
) -> None:
    assert setting("thermostat.service", "Type") == "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE)

        def wait_for(note: bytes) -> None:
            while note not in manager.recv(65536).split(b"\n"):
                pass

        settings = {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "PYRO_NS_PORT": name_server,
        }
        words = command("thermostat.service")
        with Program(*words, settings=settings, folder=FOLDER) as service:
            wait_for(b"READY=1")
            name = "PYRONAME:house.thermostat"
            answer = call(name, PYRO_NS_PORT=name_server)
            assert answer == "heating the hall to 21.0 degrees"
            assert "-HUP $MAINPID" in setting("thermostat.service", "ExecReload")
            service.send_signal(signal.SIGHUP)
            wait_for(b"RELOADING=1")
            wait_for(b"READY=1")
            assert call(name, PYRO_NS_PORT=name_server) == answer
            assert service.end() == 0
            wait_for(b"STOPPING=1")


def test_the_service_takes_the_port_that_systemd_holds(name_server: str) -> None:
    activate = installed("systemd-socket-activate")
    pid = os.getpid()
    # An address of this process's own, where the port of the unit is free.
    address = f"127.{1 + pid // 65536 % 250}.{pid // 256 % 256}.{pid % 256}"
    host, _, port = setting("thermostat.socket", "ListenStream").rpartition(":")
    assert host == "127.0.0.1"
    passed = clean_environment({"PYRO_NS_PORT": name_server})
    words = [
        activate,
        *("--listen", f"{address}:{port}"),
        *(f"--setenv={key}={value}" for key, value in passed.items()),
        *(sys.executable, *command("thermostat.service")),
    ]
    with subprocess.Popen(
        words, cwd=FOLDER, env=passed, stderr=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stderr is not None
        try:
            assert f"{address}:{port}" in holder.stderr.readline()
            # The first client has the service started.
            uri = f"PYRO:house.thermostat@{address}:{port}"
            assert call(uri) == "heating the hall to 21.0 degrees"
        finally:
            holder.terminate()
            holder.stderr.read()
    assert holder.returncode == 0
