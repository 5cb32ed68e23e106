"""How workers are started."""

from __future__ import annotations

import sys

import pytest

from pyro_server.worker_process import _interpreter_options


@pytest.mark.parametrize(
    ("started", "expected"),
    [
        ("python /usr/bin/pyro-serve house:House --workers 2", ""),
        ("python -m pyro_server house:House --workers 2", ""),
        ("python -u -X dev -m pyro_server house:House --workers 2", "-u -X dev"),
        ("python -O /usr/bin/pyro-serve house:House --workers 2", "-O"),
        ("python -B -c main() house:House --workers 2", "-B"),
        ("python -mpyro_server house:House --workers 2", ""),
    ],
)
def test_workers_run_with_the_options_of_the_interpreter(
    monkeypatch: pytest.MonkeyPatch, started: str, expected: str
) -> None:
    monkeypatch.setattr(sys, "orig_argv", started.split())
    monkeypatch.setattr(sys, "argv", ["pyro-serve", *started.split()[-3:]])
    assert _interpreter_options() == expected.split()
