"""The examples in the guide to the web gateway, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pyro_httpgw.serving.command_line import parse_arguments
from pyro_protocol.authentication import hash_token
from support.hosting import DEADLINE
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = Path(__file__).parents[2] / "docs" / "gateway.md"
TOKEN = "a-token-for-alice-only"
# In the guide each of them has another port.
KEY_SETTINGS = {"PYRO_HTTPGATEWAY_KEY": "a-key-nobody-guesses"}


class Block(NamedTuple):
    """A fenced block of the guide.

    Attributes:
        language: what it is written in.
        text: what it says.
        output: what the block behind it says, if that is what it prints.
        expected: the language of that block.
    """

    language: str
    text: str
    output: str
    expected: str


def blocks() -> list[Block]:
    """Return the blocks, in their order."""
    found = re.findall(
        r"^```(\w+)\n(.*?)^```\n", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    following = [*found[1:], ("", "")]
    return [
        Block(
            language, text, *((output, kind) if kind in {"json", "text"} else ("", ""))
        )
        for (language, text), (kind, output) in zip(found, following, strict=True)
    ]


def containing(language: str, *words: str) -> list[Block]:
    return [
        block
        for block in blocks()
        if block.language == language and any(word in block.text for word in words)
    ]


def identify(block: Block) -> str:
    return block.text.strip().splitlines()[-1].strip()[:60]


class House:
    """What the guide tells its reader to start."""

    def __init__(self, folder: Path, programs: ExitStack) -> None:
        name_server = programs.enter_context(
            Program(
                *("-m", "pyro_naming", "-n", "127.0.0.1", "-p", "0"),
                *("-x", "-s", "memory"),
            )
        )
        ready = name_server.wait_for(r"^URI = PYRO:Pyro.NameServer@(\S+):(\d+)$")
        self.settings = {"PYRO_NS_HOST": ready[1], "PYRO_NS_PORT": ready[2]}
        (server,) = containing("python", "class Thermostat")
        (folder / "house.py").write_text(server.text, "utf-8")
        house = Program(folder / "house.py", settings=self.settings)
        programs.enter_context(house).wait_for("house.thermostat")
        tokens = folder / "tokens.txt"
        tokens.write_text(f"{hash_token(TOKEN)} alice\n", "utf-8")
        self.ports: dict[str, int] = {}
        for port, arguments, settings in (
            ("8080", (), {}),
            ("8081", (), KEY_SETTINGS),
            ("8082", ("--token-file", tokens), {}),
        ):
            gateway = programs.enter_context(
                Program(
                    *("-m", "pyro_httpgw", "--expose", r"house\.", "-p", "0"),
                    *arguments,
                    settings=self.settings | settings,
                )
            )
            found = gateway.wait_for(r"running on http://localhost:(\d+)/pyro/")
            self.ports[port] = int(found[1])

    def at_real_ports(self, text: str) -> str:
        """Return an example with the ports where the gateways are."""
        return re.sub(
            r"localhost:(\d+)", lambda m: f"localhost:{self.ports[m[1]]}", text
        )

    def run(self, *command: str) -> str:
        """Run an example and return what it prints."""
        for name in command[:1]:
            if shutil.which(name) is None:
                reason = f"{name} is missing; install it"
                if os.environ.get("CI"):
                    pytest.fail(reason)
                pytest.skip(reason)
        result = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            env=clean_environment(self.settings) | {"TOKEN": TOKEN},
            timeout=DEADLINE,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A name server, the house and three gateways."""
    with ExitStack() as programs:
        yield House(tmp_path_factory.mktemp("house"), programs)


def assert_printed(block: Block, printed: str) -> None:
    if block.expected == "json":
        assert json.loads(printed) == json.loads(block.output)
    elif block.expected == "text":
        assert printed.strip() == block.output.strip()
    else:
        assert printed


def test_the_examples_work_one_after_the_other(house: House) -> None:
    count = 0
    for block in blocks():
        text = house.at_real_ports(block.text)
        if block.language == "sh" and "curl" in text:
            house.run("curl", "--version")
            script = f'set -o pipefail; curl() {{ command curl -sS "$@"; }}; {text}'
            if "head -n" in text:
                # The reader of the pipe ends it early.
                script = script.replace("set -o pipefail; ", "")
            printed = house.run("bash", "-c", script)
        elif block.language == "python" and "httpx" in text:
            printed = house.run(sys.executable, "-c", text)
        elif block.language == "js":
            printed = house.run("node", "--input-type=module", "-e", text)
        else:
            continue
        assert_printed(block, printed)
        count += 1
    assert count > 15


def test_wrong_arguments_are_told_as_the_guide_says(house: House) -> None:
    (block,) = containing("sh", "json.tool")
    problem = json.loads(house.run("bash", "-c", house.at_real_ports(block.text)))
    assert problem["status"] == 422
    assert {tuple(error["loc"]) for error in problem["errors"]} == {
        ("query", "rom"),
        ("query", "room"),
        ("query", "hours"),
    }


@pytest.mark.parametrize(
    "block", containing("sh", "pyro-httpgw -", "KEY="), ids=identify
)
def test_the_commands_can_be_given(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key.txt").write_text("a-key", "utf-8")
    Path("tokens.txt").write_text(f"{hash_token(TOKEN)} alice\n", "utf-8")
    words = shlex.split(block.text)
    options = parse_arguments(words[words.index("pyro-httpgw") + 1 :])
    assert options.settings["ns_regex"] == r"house\."


def test_the_command_of_the_systemd_unit_can_be_given(tmp_path: Path) -> None:
    (unit,) = containing("ini", "ExecStart")
    found = re.search(r"^ExecStart=\S+/pyro-httpgw (.*)$", unit.text, re.MULTILINE)
    assert found is not None
    key = tmp_path / "key"
    key.write_text("a-key", "utf-8")
    # systemd reads two backslashes as one.
    command = found[1].replace("\\\\", "\\").replace("%d/key", str(key))
    options = parse_arguments(command.split())
    assert options.settings["ns_regex"] == r"house\."


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_it_can_be_mounted(
    house: House, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(framework)
    (block,) = containing("python", f"from {framework}")
    if framework == "fastapi":
        asking = """
from fastapi.testclient import TestClient
print(TestClient(app).get("/house/pyro/house.thermostat/measure?room=den").json())
"""
    else:
        asking = """
print(app.test_client().get("/house/pyro/house.thermostat/measure?room=den").json)
"""
    printed: Any = house.run(sys.executable, "-c", block.text + asking)
    assert "'room': 'den'" in printed
