"""Every measure of every peer that is installed, once and for a moment."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from support.peers import pyro5_python

ROOT = Path(__file__).parents[2]
CHECK = ROOT / "benchmarks" / "check.py"
IN_FULL = ("raw", "ours", "managers")
IN_PART = ("ours-serpent", "ours-multiplex", "ours-asyncio", "xmlrpc")
QUICK = ("sequential", "threads", "connect", "records", "batch", "upload1", "download1")
INSTALLED = ("pyro4", "rpyc", "grpc", "thriftpy2", "zerorpc", "zeromq")

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="the benchmark needs Linux"
)


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CHECK), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("peer", IN_FULL)
def test_every_measure_works_with(peer: str) -> None:
    result = check(f"--only={peer}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "| yes |" in result.stdout


@pytest.mark.parametrize("peer", IN_PART)
def test_quick_measures_work_with(peer: str) -> None:
    result = check(f"--only={peer},{','.join(QUICK)}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" yes |") == len(QUICK)


@pytest.mark.parametrize("peer", ["pyro5", "pyro5-msgpack"])
def test_quick_measures_work_with_pyro5(peer: str) -> None:
    python = pyro5_python()
    result = check(f"--only={peer},{','.join(QUICK)}", f"--pyro5-python={python}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" yes |") == len(QUICK)


@pytest.mark.parametrize("peer", INSTALLED)
def test_a_call_works_with(peer: str) -> None:
    home = ROOT / ".bench" / f"{peer}-python{platform.python_version()}"
    if not (home / "bin" / "python").exists():
        pytest.skip(f"{home} is not there: `hatch run bench:check` makes it")
    result = check(f"--only={peer},sequential,unix,records,upload1,download1")
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count(" yes |") == 5


def test_a_library_that_is_missing_fails_alone() -> None:
    # This environment holds our distributions and not Pyro5.
    result = check("--only=raw,pyro5,sequential", f"--pyro5-python={sys.executable}")
    assert result.returncode == 1
    assert "| raw | yes |" in result.stdout
    assert "| pyro5 | failed |" in result.stdout


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    result = check("--only=nonsense")
    assert result.returncode == 2
    assert "'nonsense' is none of raw, ours," in result.stderr
