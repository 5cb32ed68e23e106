"""The programs that the guide shows run as it says, before they are moved and after."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.hosting import DEADLINE
from support.programs import Program, clean_environment

_GUIDE = Path(__file__).parents[3] / "docs" / "migrating-from-pyro5.md"
_LAYER = ("-m", "pyro_suite.compat.pyro5")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the programs of the guide."""
    text = _GUIDE.read_text("utf-8")
    programs = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL)
    for name, program in programs:
        (tmp_path / name).write_text(program)
    assert len(programs) == 4
    return tmp_path


@pytest.mark.parametrize("server", ["weather_server.py", "moved_server.py", "real"])
def test_each_of_the_programs_understands_each_other(
    server: str, folder: Path, pyro5: Path
) -> None:
    real = server == "real"
    file = "weather_server.py" if real else server
    arguments = (file,) if real or file.startswith("moved") else (*_LAYER, file)
    python = pyro5 if real else sys.executable
    with Program(*arguments, python=python, folder=folder) as serving:
        uri = serving.wait_for("^PYRO:weather@localhost:").string
        clients = [
            [sys.executable, *_LAYER, "weather_client.py"],
            [sys.executable, "moved_client.py"],
        ]
        if not real:
            clients.append([str(pyro5), "weather_client.py"])
        for client in clients:
            ran = subprocess.run(
                [*client, uri],
                cwd=folder,
                env=clean_environment(),
                capture_output=True,
                encoding="utf-8",
                timeout=2 * DEADLINE,
                check=False,
            )
            assert (ran.returncode, ran.stderr) == (0, "")
            assert ran.stdout == "Oslo: 3 degrees\n1 remote line\n"
