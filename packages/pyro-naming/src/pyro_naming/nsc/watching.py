"""The command that prints what happens to names, as it happens."""

from __future__ import annotations

import sys
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from .texts import set_text

if TYPE_CHECKING:
    from pyro_protocol.naming import NameChange

    from .request import Request

__all__ = ["watch"]


def watch(request: Request) -> int:
    """Print changes until the user ends it."""
    prefix = "".join(request.arguments[:1])
    options = request.options
    changes = request.name_server.watch(
        prefix, after=options.after, existing=options.existing
    )
    # To be interrupted is how it ends.
    with suppress(KeyboardInterrupt), closing(changes):
        for change in changes:
            if request.out.as_json:
                request.out.data(_data(change), indent=None)
            else:
                request.out.line(_line(change))
            sys.stdout.flush()
    return 0


def _data(change: NameChange) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "name": change.name,
        "uri": change.uri,
        "metadata": sorted(change.metadata),
        "owner": change.owner,
        "ttl": change.ttl,
        "position": change.position,
    }


def _line(change: NameChange) -> str:
    now = datetime.now().astimezone()
    begin = f"{now:%H:%M:%S} {change.kind:7}"
    if change.kind == "lost":
        return f"{begin} changes have been missed; what is registered follows"
    if change.uri is None:
        return f"{begin} {change.name}"
    parts = [f"{begin} {change.name} --> {change.uri}"]
    if change.metadata:
        parts.append(f"metadata: {set_text(change.metadata)}")
    if change.owner:
        parts.append(f"owner: {change.owner}")
    if change.ttl:
        parts.append(f"ttl: {change.ttl:g} s")
    return "  ".join(parts)
