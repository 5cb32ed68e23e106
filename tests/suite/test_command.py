"""The command ``pyro``: all tools in one."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pyro_suite import Proxy
from pyro_suite.command import main
from pyro_suite.command.missing import what_to_install
from pyro_suite.command.tools import TOOLS
from pyro_suite.command.versions import DISTRIBUTIONS
from support.hosting import DEADLINE
from support.installation import command_names, requirements
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT: Final = Path(__file__).parents[2] / "packages/pyro-suite/pyproject.toml"
COMMAND: Final = ("-m", "pyro_suite")
OF_NAME_SERVER: Final = ("-n", "127.0.0.1", "-p", "0", "-x", "-s", "memory")


def pyro(
    *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *COMMAND, *arguments],
        env=clean_environment(settings),
        capture_output=True,
        check=False,
        text=True,
        timeout=DEADLINE,
    )


def test_its_help_has_a_line_for_every_tool(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for tool in TOOLS.values():
        line = next(line for line in lines if line.startswith(f"  {tool.name} "))
        assert line.endswith(f" {tool.summary}")
    assert max(map(len, lines)) <= 88


def test_without_a_tool_it_shows_the_help_as_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    assert "check-config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("nss", "'ns'"),
        ("pyro-call", "'call'"),
        ("dokter", "'doctor'"),
        ("checkconfig", "'check-config'"),
        ("--versoin", "'--version'"),
    ],
)
def test_what_it_does_not_know_it_guesses(
    typed: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([typed, "--help"]) == 2
    complaint = capsys.readouterr().err
    assert f"did you mean {meant}?" in complaint
    assert repr(typed) in complaint


def test_what_is_like_nothing_is_not_guessed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["xyzzy"]) == 2
    complaint = capsys.readouterr().err
    assert "there is no tool 'xyzzy'; pyro --help lists them all" in complaint


def test_its_version_is_that_of_all_six(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    shown = {name: version for name, version, *_ in words}
    assert sorted(DISTRIBUTIONS) == sorted([*requirements("pyro-suite"), "pyro-suite"])
    for name in DISTRIBUTIONS:
        assert shown[name] == importlib.metadata.version(name)


def test_the_version_of_what_is_not_installed_is_how_to_install_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("pyro_suite.command.versions.version", version)
    assert main(["--version"]) == 0
    assert "not installed: pip install pyro-httpgw" in capsys.readouterr().out


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_is_called_by_its_name_in_its_help(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: pyro {name} ")
    command = TOOLS[name].command
    if command:
        assert f"  {command} " not in text


def test_help_of_a_tool_can_be_asked_for_in_two_ways(
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = []
    for arguments in (["ns", "--help"], ["help", "ns"]):
        with pytest.raises(SystemExit):
            main(arguments)
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


def test_every_single_command_is_a_tool() -> None:
    single = {
        command: distribution
        for distribution in DISTRIBUTIONS
        for command in command_names(distribution)
        if command != "pyro"
    }
    assert {tool.command for tool in TOOLS.values() if tool.command} == set(single)


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("", ["pyro_protocol", "argparse", "asyncio", "inspect", "difflib"]),
        ("call", ["pyro_server", "pyro_naming", "pyro_httpgw", "asyncio"]),
        ("nsc", ["pyro_server", "pyro_client", "pyro_httpgw"]),
        ("check-config", ["pyro_server", "pyro_client", "pyro_naming", "asyncio"]),
        ("migrate", ["pyro_server", "pyro_client", "pyro_httpgw"]),
        ("completion", ["pyro_protocol", "asyncio"]),
    ],
)
def test_a_tool_imports_none_of_the_others(name: str, unused: list[str]) -> None:
    program = (
        "import sys, contextlib, io\n"
        "from pyro_suite.command import main\n"
        "output = contextlib.redirect_stdout(io.StringIO())\n"
        "with contextlib.suppress(SystemExit), output:\n"
        f"    main([*{name.split()!r}, '--help'])\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {*unused} & {*done.stdout.split()}


@pytest.mark.parametrize(
    ("module", "advice"),
    [
        ("pyro_httpgw", "pip install pyro-httpgw"),
        ("redis", "pip install 'pyro-suite[redis]'"),
        ("prometheus_client.core", "pip install 'pyro-suite[metrics]'"),
    ],
)
def test_what_is_missing_is_named_with_its_remedy(
    module: str,
    advice: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def import_nothing(place: str) -> object:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("pyro_suite.command.tools._imported", import_nothing)
    assert main(["ns"]) == 1
    complaint = capsys.readouterr().err
    assert complaint.startswith("pyro ns: ")
    assert advice in complaint


def test_every_extra_that_is_advised_exists() -> None:
    from pyro_suite.command.missing import _EXTRAS

    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    assert {*_EXTRAS.values()} <= {*extras}
    brought = extras["all"][0].partition("[")[2].rstrip("]").split(",")
    assert {*brought} == {*extras} - {"all", "testing"}


def test_another_import_error_is_not_explained_away() -> None:
    for error in (
        ImportError("cannot import name 'x'"),
        ModuleNotFoundError("no module", name="pyro_naming.no_such_module"),
        ModuleNotFoundError("no module", name="house"),
    ):
        assert what_to_install(error) is None


def test_errors_of_the_tools_begin_with_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = f"PYRO:thing@./u:{tmp_path}/nobody.sock"
    for arguments, status in (
        (["call", nothing], 3),
        (["stubs", nothing], 3),
        (["ns", "--storage", "xyzzy"], 1),
        (["httpgw", "--tls-cert", str(tmp_path / "none")], 1),
        (["migrate", str(tmp_path / "none")], 2),
    ):
        assert main(arguments) == status
        complaint = capsys.readouterr().err
        assert complaint.startswith(f"pyro {arguments[0]}: "), complaint


def test_an_object_is_served_found_called_and_examined(tmp_path: Path) -> None:
    (tmp_path / "house.py").write_text(
        "from pyro_suite import expose\n"
        "@expose\n"
        "class Thermostat:\n"
        "    def heat(self, room: str, degrees: float = 21.0) -> str:\n"
        "        return f'{room} {degrees}'\n"
    )
    with Program(*COMMAND, "ns", *OF_NAME_SERVER) as names:
        found = names.wait_for(r"URI = PYRO:\S+@(\S+):(\d+)")
        settings = {"PYRO_NS_HOST": found[1], "PYRO_NS_PORT": found[2]}
        with Program(
            *COMMAND,
            *("serve", "house:Thermostat", "--name", "lab.heating"),
            *("--host", "127.0.0.1"),
            settings=settings,
            folder=tmp_path,
        ) as server:
            server.wait_for("daemon running")
            uri = "PYRONAME:lab.heating"
            called = pyro("call", uri, "heat", "hall", "degrees=5", settings=settings)
            assert (called.returncode, called.stdout) == (0, "hall 5\n")
            listed = pyro("nsc", "list", settings=settings)
            assert "lab.heating --> PYRO:" in listed.stdout
            stubs = pyro("stubs", uri, settings=settings)
            assert "def heat(self, room: str, degrees: float" in stubs.stdout
            examined = pyro("doctor", uri, settings=settings)
            assert examined.returncode == 0, examined.stdout
            offered = pyro("completion", "--names", settings=settings)
            assert offered.stdout == "Pyro.NameServer\nlab.heating\n"
            assert server.end() == 0
        assert names.end() == 0


def test_the_echo_server_answers() -> None:
    with Program(*COMMAND, "echoserver", "-H", "127.0.0.1") as server:
        uri = server.wait_for(r"echo uri: (PYRO:\S+)")[1]
        server.wait_for("running")
        with Proxy(uri) as echo:
            assert echo.echo("anybody?") == "anybody?"
        assert server.end() == 0


def test_settings_that_cannot_be_used_are_reported_and_named() -> None:
    done = pyro("check-config", settings={"PYRO_NS_PORT": "many"})
    assert done.returncode == 1
    assert "NS_PORT" in done.stderr


def test_the_demo_runs_where_pyro_suite_is_installed() -> None:
    done = subprocess.run(
        [sys.executable, *COMMAND, "demo"],
        env=clean_environment(),
        capture_output=True,
        check=False,
        text=True,
        timeout=2 * DEADLINE,
    )
    assert done.returncode == 0, done.stdout
    assert "13 of 13 steps passed." in done.stdout
