"""Which source files a program was made of, and whether they have changed."""

from __future__ import annotations

import site
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ImportedFiles", "SourceWatch", "Stamp", "files_of_failure", "stamp_of"]

Stamp = list[int]
"""Modification time in nanoseconds and size of a file; empty if there is none."""


def stamp_of(path: str) -> Stamp:
    """Return what tells one state of a file from another."""
    try:
        found = Path(path).stat()
    except OSError:
        return []
    return [found.st_mtime_ns, found.st_size]


def _installed_folders() -> tuple[str, ...]:
    """Return the folders whose files nobody edits."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    folders = {sysconfig.get_path(name) for name in names}
    folders.update(site.getsitepackages())
    folders.add(site.getusersitepackages())
    return tuple(f"{folder}/" for folder in folders if folder)


class ImportedFiles:
    """The source files of the modules that this process has imported.

    Those of Python itself and of installed distributions are left out.
    """

    def __init__(self) -> None:
        self._installed: Final = _installed_folders()
        self._known: set[str] = set()

    def new(self) -> dict[str, Stamp]:
        """Return the files that were not there when it was asked before."""
        modules = list(sys.modules.values())
        paths = {getattr(module, "__file__", None) for module in modules}
        return self._stamps({path for path in paths if isinstance(path, str)})

    def of_failure(self, error: BaseException) -> dict[str, Stamp]:
        """Return the further files that an import that has failed depends on."""
        return self._stamps(set(files_of_failure(error)))

    def _stamps(self, paths: set[str]) -> dict[str, Stamp]:
        added = {
            path
            for path in paths - self._known
            if path.endswith(".py") and not path.startswith(self._installed)
        }
        self._known |= added
        return {path: stamp_of(path) for path in added}


def files_of_failure(error: BaseException) -> Iterator[str]:
    """Return the files that may have to be edited before an import succeeds.

    A module that failed is no longer among the imported ones. One that was not found
    may appear where modules are looked for.
    """
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        for frame, _line in traceback.walk_tb(current.__traceback__):
            yield frame.f_code.co_filename
        if isinstance(current, SyntaxError) and current.filename:
            yield current.filename
        if isinstance(current, ModuleNotFoundError) and current.name:
            yield from _places_of(current.name)
        current = current.__cause__ or current.__context__


def _places_of(module: str) -> Iterator[str]:
    relative = Path(*module.split("."))
    for folder in sys.path:
        yield str(Path(folder, relative.with_suffix(".py")))
        yield str(Path(folder, relative, "__init__.py"))


class SourceWatch:
    """Remembers what files were like, and finds those that are different now."""

    def __init__(self) -> None:
        self._stamps: dict[str, Stamp] = {}

    def add(self, files: Mapping[str, Stamp]) -> None:
        """Watch further files, which were like this when they were read."""
        self._stamps.update(files)

    def changed(self) -> list[str]:
        """Return the files that have changed since they were read, once.

        One that is gone has not changed: editors remove a file before they write it
        anew.
        """
        found = []
        for path, before in self._stamps.items():
            now = stamp_of(path)
            if now and now != before:
                self._stamps[path] = now
                found.append(path)
        return found
