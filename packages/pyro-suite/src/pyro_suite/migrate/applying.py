"""Writing changed files, each with a backup beside it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .findings import FileReport

__all__ = ["apply", "backup_of"]


def backup_of(path: Path) -> Path:
    """Return where the backup of a file is kept."""
    return path.with_name(path.name + ".orig")


def apply(reports: Sequence[FileReport]) -> None:
    """Write the files that are to be changed, and keep what they were.

    Each file is replaced in one step: it has either its old content or its new one,
    also if the program is killed meanwhile.

    Raises:
        FileExistsError: a backup is there already; no file is changed then.
        OSError: a file cannot be written; those before it are changed.
    """
    changed = [
        (report.path.resolve(), report.rewritten)
        for report in reports
        if report.rewritten is not None
    ]
    for path, _data in changed:
        backup = backup_of(path)
        if os.path.lexists(backup):
            raise FileExistsError(
                f"{backup} is there already, and nothing was changed; move it away "
                "if you do not need it"
            )
    for path, data in changed:
        _replace(path, data)


def _replace(path: Path, data: bytes) -> None:
    backup = backup_of(path)
    # Fails if somebody has made one meanwhile.
    with backup.open("xb") as file:
        file.write(path.read_bytes())
    shutil.copystat(path, backup)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, new)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        backup.unlink(missing_ok=True)
        raise
