"""The files of a program, and what of them can be read."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .applying import backup_of
from .commands import is_of_interest
from .examining import examine_program, examine_text
from .findings import FileReport, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["examine"]

# What others have written, or a program has made.
_LEFT_OUT: Final = frozenset({"__pycache__", "node_modules", "site-packages"})
_PYTHON: Final = frozenset({".py", ".pyw", ".pyi"})
_NAMES: Final = (b"Pyro4", b"Pyro5")


def examine(path: Path | str) -> Iterator[FileReport]:
    """Examine a file, or all files in a folder and the folders in it.

    Nothing is run, and nothing changed. Reports on files in which nothing was found
    are left out, of files that are named themselves too. Hidden folders, virtual
    environments, and what symbolic links lead to are left out of a folder.

    Raises:
        OSError: the file or folder does not exist, or cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        # A link that was named is followed.
        report = _examine_file(path, path.read_bytes())
        if report is not None:
            yield report
        return
    yield from _examine_folder(path)


def _examine_folder(folder: Path) -> Iterator[FileReport]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_symlink():
            yield from _examine_link(path)
        elif entry.is_dir():
            if not _is_left_out(path):
                yield from _examine_folder(path)
        elif entry.is_file() and _may_matter(path):
            try:
                report = _examine_file(path, path.read_bytes())
            except OSError as error:
                what = f"it cannot be read: {error.strerror}"
                yield _unread(path, "unreadable", what, "look at it by hand")
            else:
                if report is not None:
                    yield report


def _is_left_out(folder: Path) -> bool:
    return (
        folder.name in _LEFT_OUT
        or folder.name.startswith(".")
        or (folder / "pyvenv.cfg").is_file()
    )


def _may_matter(path: Path) -> bool:
    return (
        path.suffix in _PYTHON or path.suffix in {".ipynb", ""} or is_of_interest(path)
    )


def _examine_link(path: Path) -> Iterator[FileReport]:
    """Say that a link was not followed, if it leads to a program with Pyro in it."""
    if path.suffix not in _PYTHON or not path.is_file():
        return
    try:
        data = path.read_bytes()
    except OSError:
        return
    if any(name in data for name in _NAMES):
        what = f"it is a symbolic link to {path.resolve()}"
        yield _unread(path, "link", what, "see to that file, if it is yours")


def _examine_file(path: Path, data: bytes) -> FileReport | None:
    first = data[:100].partition(b"\n")[0]
    if path.suffix == ".ipynb":
        if not any(name in data for name in _NAMES):
            return None
        what = "notebooks are not read"
        return _unread(path, "notebook", what, "save it as a script, and examine that")
    if path.suffix in _PYTHON or (first.startswith(b"#!") and b"python" in first):
        was_rewritten = backup_of(path).exists()
        report = examine_program(path, data, was_rewritten=was_rewritten)
    elif first.startswith(b"#!") or is_of_interest(path):
        report = examine_text(path, data)
    else:
        return None
    return report if report.findings or report.families else None


def _unread(path: Path, code: str, what: str, do: str) -> FileReport:
    return FileReport(path, (Finding(0, 0, "unread", code, what, do),), Counter())
