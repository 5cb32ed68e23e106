"""The commands that write all names to a file, and register those in one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyro_protocol.errors import CommunicationError, PyroError

from .entries import Search, found, listing
from .exchange import as_document, from_document

if TYPE_CHECKING:
    from .entries import Entry
    from .request import Request

__all__ = ["export_names", "import_names"]

_STANDARD: Final = "-"


def export_names(request: Request) -> int:
    """Write all names to a file, or to standard output."""
    document = as_document(found(request.name_server, Search()))
    file = _file(request)
    if file is None:
        request.out.data(document)
        return 0
    # All of it is known before a file that may be there already is touched.
    file.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    count = len(document["names"])
    text = f"Exported {count} names to {file}"
    request.out.say(text, {"exported": count, "file": str(file)})
    return 0


def import_names(request: Request) -> int:
    """Register the names in a file, or in standard input.

    Those that are registered already stay as they are, unless told otherwise. Fail if
    one stays that differs from what is in the file.
    """
    file = _file(request)
    text = sys.stdin.read() if file is None else file.read_text("utf-8")
    try:
        entries = from_document(text)
    except ValueError as error:
        raise ValueError(f"{file or 'standard input'}: {error}") from error
    # What is to be replaced is registered anew even if it looks the same: its lease
    # begins again.
    replacing = request.options.replace or request.options.force
    here = {} if replacing else listing(request.name_server, Search())
    same: list[str] = []
    done: list[str] = []
    failed: dict[str, str] = {}
    try:
        for entry in entries:
            if here.get(entry.name) == (entry.uri, set(entry.metadata)):
                same.append(entry.name)
                continue
            try:
                _register(request, entry)
            except CommunicationError:
                raise
            except PyroError as error:
                failed[entry.name] = str(error)
            else:
                done.append(entry.name)
    finally:
        _tell(request, done, same, failed)
    return 1 if failed else 0


def _register(request: Request, entry: Entry) -> None:
    options = request.options
    request.name_server.register(
        entry.name,
        entry.uri,
        safe=not (options.replace or options.force),
        metadata=entry.metadata,
        ttl=None if options.plain else entry.ttl or None,
        owner=None if options.plain else entry.owner or None,
        force=options.force,
    )


def _tell(
    request: Request, done: list[str], same: list[str], failed: dict[str, str]
) -> None:
    if request.out.as_json:
        request.out.data({"imported": done, "present": same, "failed": failed})
        return
    request.out.line(f"Imported {len(done)} names")
    if same:
        request.out.line(f"{len(same)} names were there already")
    for name, reason in failed.items():
        request.out.line(f"Not imported: {name}: {reason}")


def _file(request: Request) -> Path | None:
    """Return the file that is named, or None for the standard stream."""
    name = "".join(request.arguments[:1])
    return None if name in ("", _STANDARD) else Path(name)
