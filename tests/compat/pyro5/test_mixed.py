"""A program with what stands in for Pyro5, and one with the real Pyro5, as peers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.certificates import make_certificate
from support.hosting import DEADLINE
from support.programs import Program, clean_environment

_LAYER = ["-W", "error", "-m", "pyro_suite.compat.pyro5"]


class _Peers:
    """Runs the same two programs in any combination of the two Pyros."""

    def __init__(self, real: Path, programs: Path) -> None:
        self._real = real
        self._programs = programs

    def run(self, *, server_is_real: bool, client_is_real: bool) -> list[list[str]]:
        """Return what the server and what the client has printed."""
        offering = str(self._programs / "offering.py")
        asking = str(self._programs / "asking.py")
        arguments = [offering] if server_is_real else [*_LAYER, offering]
        python = self._real if server_is_real else sys.executable
        with Program(*arguments, python=python) as server:
            uri = server.wait_for("^PYRONAME:").string
            client = subprocess.run(
                [str(self._real), asking, uri]
                if client_is_real
                else [sys.executable, *_LAYER, asking, uri],
                env=clean_environment(),
                capture_output=True,
                encoding="utf-8",
                timeout=2 * DEADLINE,
                check=False,
            )
            assert client.returncode == 0, client.stderr
            assert server.wait() == 0, server.lines
        return [server.lines[1:], client.stdout.splitlines()]


def test_programs_understand_each_other_whichever_has_the_real_pyro5(
    pyro5: Path, pyro5_programs: Path
) -> None:
    peers = _Peers(pyro5, pyro5_programs)
    expected = peers.run(server_is_real=True, client_is_real=True)
    assert "mirroring 1 2" in expected[0]
    assert "Point 2 1" in expected[1]
    for server_is_real, client_is_real in (
        (False, True),
        (True, False),
        (False, False),
    ):
        found = peers.run(server_is_real=server_is_real, client_is_real=client_is_real)
        assert found == expected, (server_is_real, client_is_real)


def test_a_program_with_certificates_of_both_sides_prints_the_same(
    pyro5: Path, pyro5_programs: Path, tmp_path: Path
) -> None:
    server = make_certificate(tmp_path, "server")
    client = make_certificate(tmp_path, "client")
    authorities = tmp_path / "authorities.pem"
    authorities.write_text(
        Path(server.certificate).read_text() + Path(client.certificate).read_text()
    )
    arguments = [str(pyro5_programs / "encrypted.py"), *server, *client]
    printed = []
    for command in ([str(pyro5)], [sys.executable, *_LAYER]):
        ran = subprocess.run(
            [*command, *arguments, str(authorities)],
            env=clean_environment(),
            capture_output=True,
            encoding="utf-8",
            timeout=2 * DEADLINE,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        printed.append(ran.stdout.splitlines())
    assert printed[0] == printed[1]
    assert "the client is ['client']" in printed[0]


@pytest.mark.parametrize("layer", [False, True])
def test_an_exception_keeps_the_class_that_pyro5_gives_it(
    layer: bool, pyro5: Path, tmp_path: Path
) -> None:
    program = tmp_path / "wire.py"
    program.write_text(
        "import Pyro5.api, Pyro5.errors, Pyro5.serializers\n"
        "json = Pyro5.serializers.serializers['json']\n"
        "print(json.dumps(Pyro5.errors.NamingError('n')).decode())\n"
        "print(json.dumps(Pyro5.api.URI('PYRO:a@b:1')).decode())\n"
        "state = json.dumps(Pyro5.api.Proxy('PYRO:a@b:1')).decode()\n"
        "print(state)\n"
        "print(type(json.loads(state.encode())) is Pyro5.api.Proxy)\n"
        "print(Pyro5.serializers.serializers_by_id[3] is json, json.serializer_id)\n"
        "print(json.loadsCall(json.dumpsCall('o', 'm', (1,), {'a': 2})))\n"
    )
    command = [sys.executable, *_LAYER] if layer else [str(pyro5)]
    ran = subprocess.run(
        [*command, str(program)],
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=2 * DEADLINE,
        check=True,
    )
    assert "Pyro5.errors.NamingError" in ran.stdout
    assert "Pyro5.core.URI" in ran.stdout
    assert ran.stdout.splitlines()[2:] == [
        (
            '{"__class__": "Pyro5.client.Proxy", "state": '
            '["PYRO:a@b:1", [], [], [], "hello", null]}'
        ),
        "True",
        "True 3",
        "('o', 'm', [1], {'a': 2})",
    ]
