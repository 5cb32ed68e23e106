"""Builds the wheels to test a distribution with: its own, and those it requires.

``python scripts/wheelhouse.py pyro-client FOLDER --oldest`` builds what is required in
the oldest version that the ranges allow and that has a tag, from that tag. Where none
has one yet, and without ``--oldest``, it is what is in the working tree. FOLDER then
has ``constraints.txt``, by which installers take these files and no others.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from distributions import ReleaseError, build, distributions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from distributions import Distribution

__all__ = ["fill", "main", "oldest_tags"]


def oldest_tags(distribution: Distribution) -> dict[str, str]:
    """Return the tag of the oldest allowed version of what a distribution requires.

    What has no released version in its range is left out.
    """
    known = distributions()
    tags = {}
    for requirement in distribution.siblings:
        sibling = known[requirement.name]
        allowed = [one for one in sibling.released() if one in requirement.specifier]
        if allowed:
            tags[sibling.name] = sibling.tag(str(allowed[0]))
    return tags


def fill(
    folder: Path, distribution: Distribution, tags: Mapping[str, str]
) -> dict[str, Path]:
    """Build the wheels into a folder, and return them by the distribution's name.

    Args:
        folder: where they are made; what was there is removed.
        distribution: what is tested, as it is in the working tree.
        tags: of what it requires, what is built from a tag and not from the tree.

    Raises:
        ReleaseError: one cannot be built.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    known = distributions()
    names = [distribution.name, *(one.name for one in distribution.siblings)]
    wheels = {}
    for name in names:
        made = build(known[name], folder, tag=tags.get(name))
        wheels[name] = made[0]
    # Our names are these files, and are never looked up on an index.
    lines = [f"{name} @ {wheel.as_uri()}\n" for name, wheel in wheels.items()]
    (folder / "constraints.txt").write_text("".join(lines), "utf-8")
    return wheels


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the wheels that the command line asks for, and return the exit status."""
    known = distributions()
    parser = argparse.ArgumentParser(
        prog="wheelhouse.py", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("distribution", choices=known, metavar="DISTRIBUTION")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--oldest",
        action="store_true",
        help="what it requires in the oldest version that is allowed",
    )
    options = parser.parse_args(arguments)
    distribution = known[options.distribution]
    try:
        tags = oldest_tags(distribution) if options.oldest else {}
        wheels = fill(options.folder.resolve(), distribution, tags)
    except ReleaseError as error:
        sys.stderr.write(f"wheelhouse.py: {error}\n")
        return 1
    for name, wheel in wheels.items():
        sys.stdout.write(f"{wheel.name}  {tags.get(name, 'from the working tree')}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
