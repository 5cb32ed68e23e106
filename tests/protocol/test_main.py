"""``pyro-check-config``: the settings in force."""

from __future__ import annotations

import json
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
    assert "Protocol version: 502" in shown
    assert all(f"\n{item} = " in shown for item in config.as_dict())


def run(*args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYRO_")
    }
    return subprocess.run(
        [sys.executable, "-m", "pyro_protocol", *args],
        check=False,
        capture_output=True,
        env=inherited | {f"PYRO_{item}": value for item, value in settings.items()},
        text=True,
    )


def test_what_is_not_the_default_is_marked_with_where_it_comes_from() -> None:
    result = run(NS_PORT="4711", SSL_CLIENTKEYPASSWD="secret")

    assert result.returncode == 0
    assert "\nNS_PORT = 4711    # from PYRO_NS_PORT; default: 9090\n" in result.stdout
    assert "\nNS_BCPORT = 9091\n" in result.stdout
    assert "secret" not in result.stdout
    assert result.stdout.count("#") == 2


def test_a_value_that_cannot_be_used_is_named_and_is_a_failure() -> None:
    result = run(SSL="ture", NS_PORT="4711")

    assert result.returncode == 1
    assert "Error: environment variable PYRO_SSL is unusable: " in result.stderr
    assert "'ture'" in result.stderr
    assert "Traceback" not in result.stderr
    assert "NS_PORT = 4711" in result.stdout


def test_programs_can_read_it_as_json() -> None:
    result = run("--json", NS_PORT="4711", SSL="ture", SSL_SERVERKEYPASSWD="secret")

    document = json.loads(result.stdout)
    assert result.returncode == 1
    assert document["protocol_version"] == 502
    assert document["items"]["NS_PORT"] == 4711
    assert document["items"]["SSL_SERVERKEYPASSWD"] == "***"
    assert document["items"]["SERIALIZER"] == "auto"
    assert document["changed"]["NS_PORT"] == "PYRO_NS_PORT"
    assert list(document["errors"]) == ["SSL"]
    assert "SSL" not in document["items"]


def test_an_unknown_argument_is_wrong_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--colour"])
    assert caught.value.code == 2
    assert "usage: pyro-check-config" in capsys.readouterr().err
