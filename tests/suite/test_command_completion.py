"""Completing ``pyro`` in real shells."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from pyro_suite import NameServer
from pyro_suite.command import main
from pyro_suite.command.completion.described import described_tools
from pyro_suite.command.completion.names import known_names
from pyro_suite.command.tools import TOOLS
from support.hosting import DEADLINE, HostThread
from support.programs import clean_environment
from support.shells import Terminal, commands_folder, shell_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SINGLE: Final = [tool.command for tool in TOOLS.values() if tool.command]

# What a shell would run, were it ever taken for more than text.
HOSTILE: Final = [
    "lab.$(touch hit)",
    "lab.`touch hit`",
    "lab.;touch hit;",
    "lab.\nx",
    "-rf",
]

COMPLETED: Final = {
    "pyro dem": "pyro demo ",
    "pyro check-c": "pyro check-config ",
    "pyro --vers": "pyro --version ",
    "pyro ns --zero": "pyro ns --zeroconf ",
    "pyro ns --plain-clients un": "pyro ns --plain-clients unowned ",
    "pyro ns --plain-clients=un": "pyro ns --plain-clients=unowned ",
    "pyro ns --access rul": "pyro ns --access rules.toml ",
    "pyro ns --access=rul": "pyro ns --access=rules.toml ",
    "pyro serve -p 0 --servertype mul": "pyro serve -p 0 --servertype multiplex ",
    "pyro completion z": "pyro completion zsh ",
    "pyro nsc -n other listm": "pyro nsc -n other listmatching ",
    "pyro nsc lookup lab.c": "pyro nsc lookup lab.camera ",
    "pyro call PYRONAME:lab.c": "pyro call PYRONAME:lab.camera ",
    "pyro call --json PYRONAME:lab.c": "pyro call --json PYRONAME:lab.camera ",
    "pyro call PYROM": "pyro call PYROMETA:",
    "pyro call PYRONAME:lab.camera sh": "pyro call PYRONAME:lab.camera sh",
    "pyro xyzzy --he": "pyro xyzzy --he",
    "pyro-ns --zero": "pyro-ns --zeroconf ",
    "pyro-call PYRONAME:lab.c": "pyro-call PYRONAME:lab.camera ",
    "pyro-check-config --js": "pyro-check-config --json ",
    "bin/pyro call PYRONAME:lab.c": "bin/pyro call PYRONAME:lab.camera ",
}


@pytest.fixture(scope="module")
def name_server() -> Iterator[dict[str, str]]:
    """Settings that lead to a name server with hostile names in it."""
    names = NameServer()
    for name in ["lab.camera", "house.lamp", *HOSTILE]:
        names.register(name, "PYRO:thing@127.0.0.1:9")
    with HostThread() as host:
        host.register(names, "Pyro.NameServer")
        address, _, port = host.location.rpartition(":")
        yield {"PYRO_NS_HOST": address, "PYRO_NS_PORT": port}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A home with the commands and a file in it."""
    commands_folder(tmp_path, *SINGLE)
    (tmp_path / "rules.toml").write_text("")
    return tmp_path


def script(shell: str, folder: Path) -> Path:
    file = folder / f"completion.{shell}"
    with file.open("w") as output, contextlib.redirect_stdout(output):
        assert main(["completion", shell]) == 0
    return file


def with_commands(folder: Path, settings: dict[str, str]) -> dict[str, str]:
    return settings | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_tabulator_completes(
    shell: str, folder: Path, name_server: dict[str, str]
) -> None:
    settings = with_commands(folder, name_server)
    with Terminal(shell, script(shell, folder), folder, settings) as terminal:
        found = {typed: terminal.completed(typed) for typed in COMPLETED}
    assert found == COMPLETED
    assert not (folder / "hit").exists()


def test_without_a_name_server_the_kinds_of_uris_are_offered(folder: Path) -> None:
    settings = with_commands(folder, {"PYRO_NS_HOST": f"./u:{folder}/nobody"})
    with Terminal("bash", script("bash", folder), folder, settings) as terminal:
        assert terminal.completed("pyro call PYROM") == "pyro call PYROMETA:"


def test_fish_completes_with_descriptions(
    folder: Path, name_server: dict[str, str]
) -> None:
    path = shell_path("fish")
    typed = {
        "pyro dem": "demo",
        "pyro ns --zero": "--zeroconf",
        "pyro ns --plain-clients un": "unowned",
        "pyro ns --access rul": "rules.toml",
        "pyro nsc listm": "listmatching",
        "pyro nsc lookup lab.c": "lab.camera",
        "pyro call PYRONAME:lab.c": "PYRONAME:lab.camera",
        "pyro-call --json PYRONAME:lab.c": "PYRONAME:lab.camera",
        "pyro-check-config --js": "--json",
    }
    program = [f"source {script('fish', folder)}"]
    program += [f"complete -C {shlex.quote(line)}; echo ." for line in typed]
    own = with_commands(folder, name_server) | dict.fromkeys(
        ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder)
    )
    done = subprocess.run(
        [path, "--no-config", "-c", "; ".join(program)],
        cwd=folder,
        env=clean_environment() | own,
        capture_output=True,
        check=False,
        text=True,
        timeout=DEADLINE,
    )
    assert done.stderr == ""
    answers = done.stdout.split("\n.\n")
    assert [line.partition("\t")[0] for line in answers[:-1]] == [*typed.values()]
    assert f"demo\t{TOOLS['demo'].summary}" in done.stdout
    assert not (folder / "hit").exists()


def test_bash_offers_all_that_fits(folder: Path, name_server: dict[str, str]) -> None:
    """Without a terminal, so that everything offered is seen, not only the first."""
    program = f"""
        source {shlex.quote(str(script("bash", folder)))}
        for COMP_LINE in 'pyro ' 'pyro ns -' 'pyro nsc list' 'pyro call PYRONAME:'; do
          COMP_POINT=${{#COMP_LINE}}
          _pyro
          echo "${{COMPREPLY[@]}}"
        done
    """
    done = subprocess.run(
        [shell_path("bash"), "--norc", "-c", program],
        env=clean_environment(with_commands(folder, name_server)),
        capture_output=True,
        check=False,
        text=True,
        timeout=DEADLINE,
    )
    assert done.stderr == ""
    tools, options, commands, names = done.stdout.splitlines()
    assert tools.split() == [*TOOLS, "--help", "--version"]
    assert {"-n", "--host", "--zeroconf", "--help"} <= {*options.split()}
    assert commands.split() == ["list", "listmatching"]
    # What is before the colon is on the line already.
    assert names.split() == ["house.lamp", "lab.camera"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_option_of_every_tool_is_in_the_script(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    tools = described_tools()
    assert [tool.name for tool in tools] == [*TOOLS]
    for tool in tools:
        for option in tool.options:
            for name in option.names:
                # fish has them without the dashes.
                assert name.lstrip("-") in text
        for word in tool.words:
            assert " ".join(word.value.words) in text


def test_names_that_mean_something_to_a_shell_are_not_offered(
    name_server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyro_protocol import config

    with monkeypatch.context() as patched:
        patched.setattr(config, "NS_HOST", name_server["PYRO_NS_HOST"])
        patched.setattr(config, "NS_PORT", int(name_server["PYRO_NS_PORT"]))
        assert known_names() == ["house.lamp", "lab.camera"]


def test_a_name_server_that_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pyro_protocol import config

    with socket.create_server(("127.0.0.1", 0)) as silent, monkeypatch.context() as one:
        one.setattr(config, "NS_HOST", "127.0.0.1")
        one.setattr(config, "NS_PORT", silent.getsockname()[1])
        assert known_names() == []


def test_a_shell_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["tcsh"]):
        with pytest.raises(SystemExit) as ended:
            main(["completion", *arguments])
        assert ended.value.code == 2
        assert "pyro completion: error: " in capsys.readouterr().err
