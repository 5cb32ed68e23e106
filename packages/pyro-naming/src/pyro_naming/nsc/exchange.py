"""The form in which names are taken from one name server to another: a JSON file."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol import NAMESERVER_NAME, URI
from pyro_protocol.errors import PyroError

from .entries import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FORMAT", "VERSION", "as_document", "from_document"]

FORMAT: Final = "pyro-names"
"""By which a file is known as an export."""

VERSION: Final = 1
"""The version of what follows; a reader takes those it knows."""


def as_document(entries: Iterable[Entry]) -> dict[str, Any]:
    """Return names as an export has them: all that outlives a name server.

    The name server's own entry belongs to it and is left out.
    """
    names = [
        {
            "name": entry.name,
            "uri": entry.uri,
            "metadata": sorted(entry.metadata),
            "owner": entry.owner or "",
            "ttl": entry.ttl or 0.0,
        }
        for entry in entries
        if entry.name != NAMESERVER_NAME
    ]
    return {"format": FORMAT, "version": VERSION, "names": names}


def from_document(text: str) -> list[Entry]:
    """Return the names in an export.

    Raises:
        ValueError: it is none, or something in it cannot be registered.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is not JSON: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(
            'this is not what export writes: it lacks "format": "pyro-names"'
        )
    if document.get("version") != VERSION:
        raise ValueError(
            f"this is version {document.get('version')!r} of the format; this program "
            f"reads version {VERSION}"
        )
    names = document.get("names")
    if not isinstance(names, list):
        raise ValueError('"names" must be a list')
    entries = [_entry(value, f"names[{at}]") for at, value in enumerate(names)]
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise ValueError(f"the name {entry.name!r} is there twice")
        seen.add(entry.name)
    return entries


def _entry(value: object, where: str) -> Entry:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object")
    uri = _text(value, "uri", where)
    try:
        URI(uri)
    except PyroError as error:
        raise ValueError(f"{where}: {error}") from error
    return Entry(
        _text(value, "name", where),
        uri,
        frozenset(_tags(value.get("metadata", []), where)),
        _text(value, "owner", where) if "owner" in value else "",
        _seconds(value.get("ttl", 0.0), where),
    )


def _text(value: dict[str, Any], key: str, where: str) -> str:
    text = value.get(key)
    if not isinstance(text, str):
        raise ValueError(f"{where}: {key!r} must be a text")
    return text


def _tags(value: object, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{where}: 'metadata' must be a list of texts")
    return value


def _seconds(value: object, where: str) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= float(value) < math.inf:  # type: ignore[arg-type] # a number
        raise ValueError(f"{where}: 'ttl' must be a number of seconds")
    return float(value)  # type: ignore[arg-type] # as above
