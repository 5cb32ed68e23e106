"""Checks one distribution, builds it, and tags it: ``scripts/release.py pyro-client``.

It uploads nothing and pushes nothing, but prints the commands for that. ``--dry-run``
goes through all checks, whatever they find, and makes no tag.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from distributions import ROOT, ReleaseError, build, distributions, run
from wheelhouse import fill, oldest_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributions import Distribution

__all__ = ["Release", "main"]

# Run away from the sources, where there is the wheel and what it requires.
_LOOK: Final = """
import importlib, importlib.metadata, pathlib, sys
name, version, folder = sys.argv[1:]
package = importlib.import_module(name.replace("-", "_"))
assert package.__version__ == importlib.metadata.version(name) == version
place = pathlib.Path(package.__file__)
assert place.is_relative_to(folder), f"{place} is not in {folder}"
assert place.with_name("py.typed").is_file()
for public in package.__all__:
    getattr(package, public)
scripts = importlib.metadata.distribution(name).entry_points
for script in scripts.select(group="console_scripts"):
    script.load()
"""


class Release:
    """The steps to a release of one distribution.

    Args:
        distribution: what is released.
        folder: for environments and wheels, which are of no use afterwards.
        quick: whether to leave out what needs the packages of others: installing the
            wheel, and its tests.
    """

    def __init__(
        self, distribution: Distribution, folder: Path, *, quick: bool
    ) -> None:
        self.distribution = distribution
        self.files: list[Path] = []
        self._folder = folder
        self._output = ROOT / "dist" / distribution.tag()
        self._quick = quick

    def steps(self) -> dict[str, Callable[[], str]]:
        """Return what is to be done, in its order; each step returns what it found."""
        steps = {
            "the tree is clean": self._clean,
            "the version is a new one": self._new,
            "the changelog tells of it": self._changelog,
            "what it requires is released": self._siblings,
            "sdist and wheel are built": self._build,
            "twine accepts them": self._twine,
        }
        if not self._quick:
            steps["the wheel works where nothing else is"] = self._install
            steps["its tests pass, with the newest of ours"] = self._test_newest
            steps["its tests pass, with the oldest allowed"] = self._test_oldest
        return steps

    def make_tag(self) -> None:
        """Tag the commit, with what the changelog says.

        Raises:
            ReleaseError: git refuses.
        """
        one = self.distribution
        subject = f"{one.name} {one.version}"
        run("git", "tag", "--annotate", one.tag(), "-m", subject, "-m", one.changes())

    def commands(self) -> list[str]:
        """Return the commands that publish what was made."""
        files = [str(file.relative_to(ROOT)) for file in self.files]
        uploaded = " ".join(file for file in files if not file.endswith(".json"))
        return [
            f"git push origin {self.distribution.tag()}",
            f"twine upload {uploaded}",
        ]

    def _clean(self) -> str:
        changed = run("git", "status", "--porcelain").splitlines()
        if changed:
            raise ReleaseError(
                f"{len(changed)} files are not committed, {changed[0][3:]} among them; "
                "commit them first"
            )
        return run("git", "rev-parse", "--short", "HEAD").strip()

    def _new(self) -> str:
        tag = self.distribution.tag()
        if run("git", "tag", "--list", tag):
            raise ReleaseError(
                f"there is a tag {tag} already; raise the version: cd "
                f"{self.distribution.folder.relative_to(ROOT)} && hatch version minor"
            )
        return tag

    def _changelog(self) -> str:
        lines = self.distribution.changes().splitlines()
        entries = sum(line.startswith("- ") for line in lines)
        return f"{entries} entries"

    def _siblings(self) -> str:
        tags = oldest_tags(self.distribution)
        missing = [
            str(one) for one in self.distribution.siblings if one.name not in tags
        ]
        if missing:
            raise ReleaseError(
                f"no released version is in {', '.join(missing)}; release that first"
            )
        return ", ".join(tags.values()) or "nothing of ours"

    def _build(self) -> str:
        shutil.rmtree(self._output, ignore_errors=True)
        self._output.mkdir(parents=True)
        targets = ("sdist", "wheel")
        self.files = build(self.distribution, self._output, targets=targets)
        return ", ".join(file.name for file in self.files)

    def _built(self) -> list[Path]:
        if not self.files:
            raise ReleaseError("there is nothing that was built")
        return self.files

    def _twine(self) -> str:
        files = map(str, self._built())
        run(sys.executable, "-m", "twine", "check", "--strict", *files)
        return "long description and metadata"

    def _install(self) -> str:
        """Install the wheel alone, use it, and list what came with it."""
        one = self.distribution
        self._built()
        wheels = self._folder / "wheelhouse"
        again = fill(wheels, one, {})[one.name]
        released = self._output / again.name
        if again.read_bytes() != released.read_bytes():
            raise ReleaseError(
                f"{again.name} is another file when it is built again; it must be made "
                "of the sources alone"
            )
        environment = self._folder / "alone"
        python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
        run("uv", "venv", "--quiet", "--python", sys.executable, str(environment))
        install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
        run(*install, "--constraint", str(wheels / "constraints.txt"), one.name)
        run("uv", "pip", "check", "--quiet", "--python", str(python))
        look = [str(python), "-I", "-W", "error", "-c", _LOOK]
        run(*look, one.name, one.version, str(environment), folder=self._folder)
        bill = self._output / f"{one.tag()}.cdx.json"
        run(
            *(sys.executable, "-m", "cyclonedx_py", "environment", str(python)),
            *("--output-reproducible", "--output-file", str(bill)),
        )
        # Where the wheels were is of no use to others.
        text = bill.read_text("utf-8").replace(f"{wheels.as_uri()}/", "")
        bill.write_text(text, "utf-8")
        self.files.append(bill)
        return f"what it brings is in {bill.relative_to(ROOT)}"

    def _test_newest(self) -> str:
        return self._test({})

    def _test_oldest(self) -> str:
        tags = oldest_tags(self.distribution)
        older = {name: tag for name, tag in tags.items() if _differs(name, tag)}
        if not older:
            return "the oldest are the newest"
        return self._test(older)

    def _test(self, tags: dict[str, str]) -> str:
        """Run the tests of the distribution in its environment of tox."""
        work = self._folder / "tox"
        fill(work / "wheelhouse", self.distribution, tags)
        environments = f"peers,{self.distribution.part}"
        # Without its environment for wheels: these are the ones to be tested.
        run(
            *(sys.executable, "-m", "tox", "run", "--workdir", str(work)),
            *("-e", environments),
            shown=True,
        )
        return ", ".join(tags.values()) or "as in the working tree"


def _differs(name: str, tag: str) -> bool:
    """Return whether a distribution has changed since a tag."""
    folder = distributions()[name].folder
    return bool(run("git", "diff", "--name-only", tag, "HEAD", "--", str(folder)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Release a distribution, or find out why not, and return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.quick and not options.dry_run:
        parser.error("what is released has to be tested: --quick is for --dry-run")
    distribution = distributions()[options.distribution]
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        release = Release(distribution, Path(folder), quick=options.quick)
        problems = _go_through(release, to_the_end=options.dry_run)
    if problems:
        _say(f"\n{distribution.tag()} cannot be released, for {problems} reasons")
        return 1
    if options.dry_run:
        _say(f"\n{distribution.tag()} could be released; no tag was made")
        return 0
    try:
        release.make_tag()
    except ReleaseError as error:
        _say(f"FAILED  {error}")
        return 1
    _say(f"\nTagged {distribution.tag()}. To publish it:")
    for command in release.commands():
        _say(f"  {command}")
    return 0


def _go_through(release: Release, *, to_the_end: bool) -> int:
    """Take the steps, and return how many have failed."""
    problems = 0
    for title, step in release.steps().items():
        try:
            _say(f"ok      {title}: {step()}")
        except ReleaseError as error:
            _say(f"FAILED  {title}: {error}")
            problems += 1
            if not to_the_end:
                break
    return problems


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="release.py", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("distribution", choices=distributions(), metavar="DISTRIBUTION")
    parser.add_argument(
        "--dry-run", action="store_true", help="make all checks, but no tag"
    )
    parser.add_argument(
        "--quick", action="store_true", help="with --dry-run: install and test nothing"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
