"""What releases need to know about the distributions, and how their wheels are made."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["ROOT", "Distribution", "ReleaseError", "build", "distributions", "run"]

ROOT: Final = Path(__file__).resolve().parent.parent

_VERSION: Final = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_SECTION: Final = re.compile(
    r"^## \[([^\]]+)\] - (\S+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL
)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


class ReleaseError(Exception):
    """Something stands in the way of a release; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """One of the distributions of this repository.

    Attributes:
        name: its name on the index.
        folder: where it is.
        siblings: those of our distributions that it requires, with their ranges.
    """

    name: str
    folder: Path
    siblings: tuple[Requirement, ...]

    @property
    def module(self) -> str:
        """The package that programs import."""
        return self.name.replace("-", "_")

    @property
    def part(self) -> str:
        """What the tests call it."""
        return self.name.removeprefix("pyro-")

    @property
    def version(self) -> str:
        """The version that its sources say."""
        file = self.folder / "src" / self.module / "__about__.py"
        found = _VERSION.search(file.read_text("utf-8"))
        if found is None:
            raise ReleaseError(f"{file} has no line __version__ = ...")
        return found[1]

    def tag(self, version: str | None = None) -> str:
        """Return the tag of a version, that of the sources if left out."""
        return f"{self.name}-{version or self.version}"

    def released(self) -> list[Version]:
        """Return the versions that have a tag, the oldest first."""
        beginning = f"{self.name}-"
        tags = run("git", "tag", "--list", f"{beginning}*").split()
        return sorted(Version(tag.removeprefix(beginning)) for tag in tags)

    def changes(self) -> str:
        """Return what the changelog says of the version of the sources.

        Raises:
            ReleaseError: it has no such section, or one without a date.
        """
        file = self.folder / "CHANGELOG.md"
        for version, date, text in _SECTION.findall(file.read_text("utf-8")):
            if version != self.version:
                continue
            if not _DATE.fullmatch(date):
                raise ReleaseError(
                    f"{file.relative_to(ROOT)}: version {version} is {date!r}; write "
                    f"the day of the release, as in ## [{version}] - 2027-01-31"
                )
            if not text.strip():
                raise ReleaseError(
                    f"{file.relative_to(ROOT)} says nothing of version {version}"
                )
            return str(text).strip()
        raise ReleaseError(
            f"{file.relative_to(ROOT)} has no section ## [{self.version}] - DATE"
        )


def distributions() -> dict[str, Distribution]:
    """Return all distributions by name."""
    found = {}
    for file in sorted(ROOT.glob("packages/*/pyproject.toml")):
        project = tomllib.loads(file.read_text("utf-8"))["project"]
        requirements = map(Requirement, project["dependencies"])
        ours = tuple(one for one in requirements if one.name.startswith("pyro-"))
        name = project["name"]
        found[name] = Distribution(name, file.parent, ours)
    return found


def build(
    distribution: Distribution,
    destination: Path,
    *,
    tag: str | None = None,
    targets: Iterable[str] = ("wheel",),
) -> list[Path]:
    """Build a distribution and return the files that were made.

    Args:
        distribution: what to build.
        destination: the folder for the files.
        tag: the tag to build from; the working tree if None.
        targets: ``wheel``, ``sdist`` or both.

    Raises:
        ReleaseError: it cannot be built.
    """
    folder = distribution.folder
    if tag is not None:
        folder = _checked_out(distribution, tag, destination / "sources" / tag)
    before = set(destination.glob("*.*"))
    options = [word for target in targets for word in ("--target", target)]
    # Hatch's own builder, in the version that is installed here: an environment for
    # building would bring another one.
    run(
        *(sys.executable, "-m", "hatchling", "build"),
        *("--directory", str(destination), *options),
        folder=folder,
    )
    return sorted(set(destination.glob("*.*")) - before)


def _checked_out(distribution: Distribution, tag: str, folder: Path) -> Path:
    """Write the sources of a tag into a folder, and return the distribution's."""
    inside = distribution.folder.relative_to(ROOT).as_posix()
    archive = subprocess.run(  # noqa: S603
        ["git", "archive", tag, inside],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if archive.returncode:
        raise ReleaseError(f"{tag} has no {inside}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as sources:
        sources.extractall(folder, filter="data")
    return folder / inside


def run(*command: str, folder: Path = ROOT, shown: bool = False) -> str:
    """Run a program and return what it has printed.

    Args:
        command: the program and its arguments.
        folder: its working directory.
        shown: whether its output goes to the terminal instead.

    Raises:
        ReleaseError: it has failed, or is not installed.
    """
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=folder,
            stdout=None if shown else subprocess.PIPE,
            stderr=None if shown else subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ReleaseError(
            f"{command[0]} is not installed; pip install -r requirements/tools.txt"
        ) from error
    output = done.stdout or ""
    if done.returncode:
        text = f":\n{output.strip()}" if output else ""
        raise ReleaseError(f"{_shown(command)} has failed{text}")
    return output


def _shown(command: Sequence[str]) -> str:
    return " ".join(["python" if one == sys.executable else one for one in command])
