"""What programs written for Pyro4 get that is not as in Pyro4, or beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import Program, clean_environment

_FOLDER = Path(__file__).parent / "programs"
_LAYER = "pyro_suite.compat.pyro4"
_STEPS = (
    "marshal",
    "secrets",
    "flame",
    "broadcasts",
    "cleaning",
    "by_value",
    "simple",
    "parts",
)


def _run(*arguments: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env=clean_environment(settings),
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )


def test_the_layer_keeps_to_its_own_ways() -> None:
    done = _run("-m", _LAYER, _FOLDER / "own_ways.py", *_STEPS)
    assert done.stdout.split() == [*_STEPS], done.stderr


def test_the_environment_is_read_as_by_pyro4() -> None:
    done = _run(
        *("-m", _LAYER, _FOLDER / "own_ways.py", "settings"),
        PYRO_HMAC_KEY="of another program",
        PYRO_NOTHING="at all",
        PYRO_ONEWAY_THREADED="off",
        PYRO_MAX_MESSAGE_SIZE="0",
        PYRO_SERIALIZERS_ACCEPTED="serpent, pickle",
        PYRO_BROADCAST_ADDRS="10.0.0.1, 10.0.0.2",
    )
    assert done.stdout == "settings\n", done.stderr


def test_a_variable_that_makes_no_sense_is_named() -> None:
    for variable, value in (("NS_PORT", "many"), ("COMPRESSION", "perhaps")):
        done = _run(*("-c", f"import {_LAYER}, Pyro4"), **{f"PYRO_{variable}": value})
        assert done.returncode == 1
        assert f"PYRO_{variable}" in done.stderr.splitlines()[-1]
        assert value in done.stderr.splitlines()[-1]


def test_a_pyro4_that_is_in_use_already_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Pyro4.py").write_text("real = True\n")
    lines = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})",
        f"import Pyro4; assert Pyro4.real; import {_LAYER}",
    )
    done = _run("-c", "\n".join(lines))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: Pyro4 has been")


def test_one_import_in_the_program_does_as_well() -> None:
    done = _run("-c", f"import {_LAYER}\nimport Pyro4.core\nprint(Pyro4.core.URI)")
    assert "pyro_protocol.uri.URI" in done.stdout, done.stderr


def test_the_tools_can_be_run() -> None:
    shown = _run("-m", _LAYER, "-m", "Pyro4.configuration")
    assert "SERIALIZERS_ACCEPTED" in shown.stdout, shown.stderr
    place = ("-m", "Pyro4.naming", "-n", "127.0.0.1", "-p", "0", "-x")
    with Program("-m", _LAYER, *place) as name_server:
        name_server.wait_for("^Warning: HMAC key not set")
        port = name_server.wait_for(r"^URI = .*:(\d+)$")[1]
        tool = ("-m", _LAYER, "-m", "Pyro4.nsc", "-n", "127.0.0.1", "-p", port)
        asked = _run(*tool, "list")
        assert "class:Pyro4.naming.NameServer" in asked.stdout, asked.stderr


def _customer_of(python: str | Path, *arguments: str) -> list[str]:
    layer = ("-m", _LAYER) if python == sys.executable else ()
    environment = clean_environment()
    if not layer:
        # The other interpreter has packages of its own.
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [python, "-W", "ignore", *layer, _FOLDER / "customer.py", *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _shop(python: str | Path, *arguments: str) -> Program:
    """Start the server, with the real Pyro4 or through the layer."""
    layer = ("-m", _LAYER) if python == sys.executable else ()
    settings = {} if layer else {"PYTHONPATH": ""}
    return Program(
        *("-W", "ignore", *layer, _FOLDER / "shop.py", *arguments),
        python=python,
        settings=settings,
    )


@pytest.mark.parametrize("key", ["", "a key that both sides have"])
def test_servers_and_clients_may_move_one_after_the_other(key: str) -> None:
    real, ours = pyro5_python(), sys.executable
    printed: list[list[str]] = []
    for server in (real, ours):
        with _shop(server, *([key] if key else [])) as shop:
            port = shop.wait_for(r"^names at (\d+)$")[1]
            printed += [_customer_of(client, port, key) for client in (real, ours)]
            if key:
                with pytest.raises(AssertionError, match="Failed to locate"):
                    _customer_of(ours, port)
                with pytest.raises(AssertionError, match="Failed to locate"):
                    _customer_of(real, port, "another key")
    first = printed[0]
    assert first[0] == "['Pyro.NameServer', 'shop'] ['shop']"
    assert first[2] == "('not for sale', 'gold') True"
    assert first[-1] == "shop"
    if not key:
        assert first[4:6] == ["True lamp", "NEWS"]
    assert printed == [first] * 4
