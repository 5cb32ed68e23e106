"""``pyro-check-config``: the settings in force."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pyro_protocol import config
from pyro_protocol.__main__ import main


def test_it_prints_versions_and_every_setting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert shown == config.dump() + "\n"
    assert "Protocol version: 502" in shown
    assert all(f"\n{item} = " in shown for item in config.as_dict())


def test_the_module_shows_what_the_environment_sets() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyro_protocol"],
        check=True,
        capture_output=True,
        env={**os.environ, "PYRO_NS_PORT": "4711"},
        text=True,
    )
    assert "\nNS_PORT = 4711\n" in result.stdout


def test_an_unknown_argument_is_wrong_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--colour"])
    assert caught.value.code == 2
    assert "usage: pyro-check-config" in capsys.readouterr().err
