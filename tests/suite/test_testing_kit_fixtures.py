"""The fixtures for pytest, in runs of pytest of their own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from support.hosting import DEADLINE
from support.programs import clean_environment

PROJECT = Path(__file__).parents[2] / "packages" / "pyro-suite" / "pyproject.toml"
PLUGIN = "pyro_suite.testing.plugin"

TESTS = """\
import os
import subprocess
import sys
import threading

import pytest
from pyro_suite import Daemon, Proxy, config, expose, locate_ns


@expose
class Adder:
    def add(self, one, other):
        return one + other


def test_a_daemon(pyro_daemon):
    with Proxy(pyro_daemon.register(Adder())) as adder:
        assert adder.add(1, 2) == 3


@pytest.mark.usefixtures("pyro_leaks")
def test_names(pyro_daemon, pyro_name_server):
    pyro_daemon.register(Adder(), "adder")
    pyro_daemon.announce("test.adder", "adder")
    with Proxy("PYRONAME:test.adder") as adder:
        assert adder.add(1, 2) == 3
    with locate_ns() as names:
        assert "test.adder" in names.list()
    program = "import pyro_suite as p; print(p.Proxy('PYRONAME:test.adder').add(3, 4))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == "7", done.stderr
    assert (config.NS_HOST, config.NS_PORT) == (
        pyro_name_server.uri.host, pyro_name_server.uri.port
    )


def test_settings_are_what_they_were(pyro_leaks):
    assert (config.NS_HOST, config.NS_PORT) == ("localhost", 9090)
    assert "PYRO_NS_PORT" not in os.environ


@pytest.fixture
def no_patience(monkeypatch):
    monkeypatch.setattr(
        "pyro_suite.testing.Leaks.wait_until_nothing_is_left.__defaults__", (0.2,)
    )


def test_leaking_a_proxy(no_patience, pyro_leaks, pyro_daemon):
    kept.append(Proxy(pyro_daemon.register(Adder())))
    assert kept[-1].add(1, 2) == 3
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten thread", daemon=True)
    thread.start()


kept = []
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE * 3,
        check=False,
    )


@pytest.mark.parametrize("how", ["option", "conftest"])
def test_the_fixtures_serve_and_check(tmp_path: Path, how: str) -> None:
    (tmp_path / "test_own.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    options = ["-p", PLUGIN]
    if how == "conftest":
        # Also by the name of the package.
        text = 'pytest_plugins = ["pyro_suite.testing"]\n'
        (tmp_path / "conftest.py").write_text(text)
        options = []
    done = run_pytest(tmp_path, *options)
    assert "4 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "ERROR test_own.py::test_leaking_a_proxy" in done.stdout
    assert "left behind: ['forgotten thread']" in done.stdout


def test_pytest_finds_the_plugin_by_itself_under_the_name_of_its_module() -> None:
    entry_points = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]
    assert entry_points["pytest11"] == {PLUGIN: PLUGIN}
    fixtures = import_module(PLUGIN).__all__
    # Names that nobody else uses: pytest has one list for all plugins.
    assert all(name.startswith("pyro_") for name in fixtures)
