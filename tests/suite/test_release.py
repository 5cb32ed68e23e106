"""The program that releases a distribution, in a repository of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest

from support.hosting import DEADLINE

ROOT: Final = Path(__file__).parents[2]
UNRELEASED: Final = "] - unreleased\n"
RELEASED: Final = "] - 2027-01-31\n"

AUTHOR: Final = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "nobody"), ("EMAIL", "nobody@localhost"))
}
OWN: Final = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def need(module: str, package: str) -> None:
    """Skip the calling test without a package; under ``CI`` fail it."""
    if importlib.util.find_spec(module) is None:
        reason = f"{package} is not installed (pip install {package})"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


class Repository:
    """A repository with the distributions and the programs, at their versions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", "dist")
        for name in ("packages", "scripts"):
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        (folder / ".gitignore").write_text("__pycache__/\ndist/\n")
        self.git("init", "--quiet", "--initial-branch", "main")
        self.commit()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | AUTHOR | OWN,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
            timeout=DEADLINE,
        )

    def git(self, *arguments: str) -> str:
        done = self.run("git", *arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "another state")

    def replace(self, path: str, old: str, new: str) -> None:
        file = self.folder / "packages" / path
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), "utf-8")

    def release(self, name: str, *options: str) -> tuple[int, str]:
        done = self.run(sys.executable, "scripts/release.py", name, *options)
        return done.returncode, done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    need("hatchling", "hatchling")
    return Repository(tmp_path / "repository")


def test_all_that_stands_in_the_way_is_found_at_once(repository: Repository) -> None:
    repository.replace("pyro-client/README.md", "#", "# ")
    repository.replace("pyro-client/CHANGELOG.md", "\n## [", "\n## [")
    status, said = repository.release("pyro-client", "--dry-run", "--quick")
    assert status == 1
    assert "packages/pyro-client/README.md among them; commit them first" in said
    assert "version 0.1.0 is 'unreleased'; write the day of the release" in said
    assert "no released version is in pyro-protocol<0.2,>=0.1; release that" in said
    assert "ok      sdist and wheel are built: pyro_client-0.1.0-py3-none" in said
    assert repository.git("tag") == ""


def test_what_is_ready_passes_every_check_and_is_not_tagged_by_a_dry_run(
    repository: Repository,
) -> None:
    need("twine", "twine")
    repository.replace("pyro-client/CHANGELOG.md", UNRELEASED, RELEASED)
    repository.commit()
    repository.git("tag", "pyro-protocol-0.1.0")
    status, said = repository.release("pyro-client", "--dry-run", "--quick")
    assert status == 0, said
    assert "FAILED" not in said
    assert "pyro-client-0.1.0 could be released; no tag was made" in said
    assert repository.git("tag").split() == ["pyro-protocol-0.1.0"]
    made = repository.folder / "dist" / "pyro-client-0.1.0"
    assert sorted(file.name for file in made.iterdir()) == [
        "pyro_client-0.1.0-py3-none-any.whl",
        "pyro_client-0.1.0.tar.gz",
    ]


def test_a_version_is_released_once_and_with_an_entry_in_the_changelog(
    repository: Repository,
) -> None:
    repository.git("tag", "pyro-server-0.1.0")
    status, said = repository.release("pyro-server", "--dry-run", "--quick")
    assert status == 1
    assert "there is a tag pyro-server-0.1.0 already; raise the version" in said
    about = "pyro-server/src/pyro_server/__about__.py"
    repository.replace(about, '"0.1.0"', '"0.1.1"')
    repository.commit()
    status, said = repository.release("pyro-server", "--dry-run", "--quick")
    assert status == 1
    assert "ok      the version is a new one: pyro-server-0.1.1" in said
    assert "CHANGELOG.md has no section ## [0.1.1] - DATE" in said


def test_the_tag_tells_what_has_changed_and_the_commands_how_to_publish(
    repository: Repository, tmp_path: Path
) -> None:
    repository.replace("pyro-naming/CHANGELOG.md", UNRELEASED, RELEASED)
    repository.commit()
    program = (
        "import sys, pathlib; sys.path.insert(0, 'scripts')\n"
        "from distributions import distributions\n"
        "from release import Release\n"
        "naming = distributions()['pyro-naming']\n"
        f"release = Release(naming, pathlib.Path({str(tmp_path)!r}), quick=True)\n"
        "release.steps()['sdist and wheel are built']()\n"
        "release.make_tag()\n"
        "print(*release.commands(), sep='\\n')\n"
    )
    done = repository.run(sys.executable, "-c", program)
    assert done.returncode == 0, done.stdout
    push, upload = done.stdout.splitlines()
    assert push == "git push origin pyro-naming-0.1.0"
    assert upload == (
        "twine upload dist/pyro-naming-0.1.0/pyro_naming-0.1.0-py3-none-any.whl "
        "dist/pyro-naming-0.1.0/pyro_naming-0.1.0.tar.gz"
    )
    message = repository.git("tag", "--list", "--format=%(contents)")
    assert message.startswith("pyro-naming 0.1.0\n\n")
    assert "`pyro-ns`: the name server" in message


def test_what_is_released_is_tested(repository: Repository) -> None:
    status, said = repository.release("pyro-client", "--quick")
    assert status == 2
    assert "--quick is for --dry-run" in said


def test_the_oldest_allowed_versions_are_built_from_their_tags(
    repository: Repository,
) -> None:
    about = "pyro-protocol/src/pyro_protocol/__about__.py"
    versions = ["0.0.9", "0.1.0", "0.1.1", "0.1.2"]
    for before, version in zip(["0.1.0", *versions], versions, strict=False):
        repository.replace(about, f'"{before}"', f'"{version}"')
        mark = f"# of {version}"
        repository.replace("pyro-protocol/src/pyro_protocol/py.typed", "", mark)
        repository.commit()
        if version != versions[-1]:
            repository.git("tag", f"pyro-protocol-{version}")
    wheelhouse = repository.folder.parent / "wheelhouse"
    arguments = ("scripts/wheelhouse.py", "pyro-client", str(wheelhouse))
    for options, expected in (([], "0.1.2"), (["--oldest"], "0.1.0")):
        done = repository.run(sys.executable, *arguments, *options)
        assert done.returncode == 0, done.stdout
        wheels = sorted(file.name for file in wheelhouse.glob("*.whl"))
        assert wheels == [
            "pyro_client-0.1.0-py3-none-any.whl",
            f"pyro_protocol-{expected}-py3-none-any.whl",
        ]
        with zipfile.ZipFile(wheelhouse / wheels[1]) as wheel:
            assert wheel.read("pyro_protocol/py.typed").startswith(
                f"# of {expected}".encode()
            )
        constraints = (wheelhouse / "constraints.txt").read_text()
        assert f"pyro-protocol @ {(wheelhouse / wheels[1]).as_uri()}\n" in constraints


def test_every_tool_has_one_version_and_hashes() -> None:
    wanted = _requirements("tools.in")
    locked = _requirements("tools.txt")
    assert {*wanted} <= {*locked}
    assert all(version.startswith("==") for version in locked.values())
    text = (ROOT / "requirements" / "tools.txt").read_text()
    assert text.count("--hash=sha256:") >= len(locked)
    for name, version in wanted.items():
        assert not version.startswith("==") or version == locked[name]


def test_the_tools_are_those_that_tox_uses() -> None:
    text = (ROOT / "tox.toml").read_text()
    exact = dict(re.findall(r'"([a-z-]+)(==[\d.]+)"', text))
    locked = _requirements("tools.txt")
    for name in ("basedpyright", "import-linter", "mypy", "ruff"):
        assert exact[name] == locked[name]


def test_ranges_of_what_is_required_include_what_is_here() -> None:
    versions = {}
    ranges = {}
    for file in ROOT.glob("packages/*/pyproject.toml"):
        project = tomllib.loads(file.read_text())["project"]
        name = project["name"]
        about = next(file.parent.glob("src/*/__about__.py")).read_text()
        versions[name] = re.findall(r'"(\d+)\.(\d+)\.', about)[0]
        ranges[name] = [one for one in project["dependencies"] if "pyro-" in one]
    for name, requirements in ranges.items():
        for requirement in requirements:
            found = re.fullmatch(
                r"(pyro-\w+)(?:\[.*\])?>=(\d+)\.(\d+),<(\d+)\.(\d+)", requirement
            )
            assert found, f"{name} requires {requirement!r}, which is no such range"
            present = tuple(map(int, versions[found[1]]))
            assert (int(found[2]), int(found[3])) <= present
            assert present < (int(found[4]), int(found[5]))


def _requirements(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / name).read_text()
    return dict(re.findall(r"^([a-z0-9_.-]+)((?:==|>=)\S+)", text, re.MULTILINE))
