"""The commands that ask for one thing, or change one."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Final

from .entries import Search, found, known, listing
from .texts import set_text, span

if TYPE_CHECKING:
    from .entries import Entry
    from .output import Output
    from .request import Request

__all__ = [
    "describe",
    "list_matching",
    "list_names",
    "lookup",
    "ping",
    "register",
    "remove",
    "remove_matching",
    "renew",
    "search_all",
    "search_any",
    "set_metadata",
]

_QUESTION: Final = (
    "Potentially removing lots of items from the Name server. Are you sure (y/n)?"
)


def ping(request: Request) -> int:
    """Ask for a sign of life."""
    request.name_server.ping()
    uri = str(request.name_server._pyroUri)
    request.out.say("Name server ping ok.", {"ping": "ok", "uri": uri})
    return 0


def list_names(request: Request) -> int:
    """List all names, or those that begin with a text."""
    prefix = "".join(request.arguments[:1])
    title = f"- prefix '{prefix}'" if request.arguments else ""
    return _list(request, Search(prefix=prefix), title)


def list_matching(request: Request) -> int:
    """List the names whose beginning matches a regular expression."""
    (regex,) = request.arguments
    return _list(request, Search(regex=regex), f"- regex '{regex}'")


def search_all(request: Request) -> int:
    """List the names that have all of some tags."""
    return _list(request, Search(meta_all=request.arguments), " - searched by metadata")


def search_any(request: Request) -> int:
    """List the names that have one of some tags."""
    return _list(request, Search(meta_any=request.arguments), " - searched by metadata")


def lookup(request: Request) -> int:
    """Print the URI of a name, and its metadata."""
    (name,) = request.arguments
    uri, metadata = request.name_server.lookup(name, return_metadata=True)
    if request.out.as_json:
        told = {"name": name, "uri": str(uri), "metadata": sorted(metadata)}
        request.out.data(told)
        return 0
    request.out.line(str(uri))
    if metadata:
        request.out.line(f"metadata: {set_text(metadata)}")
    return 0


def describe(request: Request) -> int:
    """Print all that is known about a name."""
    (name,) = request.arguments
    entry = known(request.name_server.describe(name))
    if request.out.as_json:
        request.out.data(entry.as_data())
    else:
        _print_entry(request.out, entry)
    return 0


def register(request: Request) -> int:
    """Register a name; one that is there stays as it is, unless told otherwise."""
    name, uri = request.arguments
    options = request.options
    request.name_server.register(
        name,
        uri,
        safe=not (options.replace or options.force),
        ttl=options.ttl,
        owner=options.owner,
        force=options.force,
    )
    request.out.say(f"Registered {name}", {"registered": name})
    return 0


def renew(request: Request) -> int:
    """Say that the owner of names still lives; fail if one is not renewed."""
    options = request.options
    left = set(request.name_server.renew(request.arguments, owner=options.owner))
    renewed = [name for name in request.arguments if name not in left]
    if request.out.as_json:
        request.out.data({"renewed": renewed, "not_renewed": sorted(left)})
    else:
        for name in request.arguments:
            request.out.line(f"{'Not renewed' if name in left else 'Renewed'} {name}")
    return 1 if left else 0


def remove(request: Request) -> int:
    """Remove a name."""
    (name,) = request.arguments
    options = request.options
    removed = request.name_server.remove(name, owner=options.owner, force=options.force)
    text = f"Removed {name}" if removed else "Nothing removed"
    request.out.say(text, {"removed": removed})
    return 0


def remove_matching(request: Request) -> int:
    """Remove the names whose beginning matches, if the user confirms that."""
    (regex,) = request.arguments
    options = request.options
    if options.yes or _confirmed(request.out):
        removed = request.name_server.remove(
            regex=regex, owner=options.owner, force=options.force
        )
        request.out.say(f"{removed} items removed.", {"removed": removed})
    elif request.out.as_json:
        request.out.data({"removed": 0})
    return 0


def set_metadata(request: Request) -> int:
    """Replace the metadata of a name."""
    name, *tags = request.arguments
    options = request.options
    request.name_server.set_metadata(
        name, tags, owner=options.owner, force=options.force
    )
    text = "Metadata updated" if tags else "Metadata cleared"
    request.out.say(text, {"name": name, "metadata": sorted(set(tags))})
    return 0


def _list(request: Request, search: Search, title: str) -> int:
    out = request.out
    if out.as_json:
        out.data([entry.as_data() for entry in found(request.name_server, search)])
    elif out.as_table:
        out.table(found(request.name_server, search))
    else:
        listed = listing(request.name_server, search)
        out.lines([(name, *rest) for name, rest in sorted(listed.items())], title)
    return 0


def _print_entry(out: Output, entry: Entry) -> None:
    lasts = f"{entry.ttl:g} s after it was renewed" if entry.ttl else "for good"
    left = "" if entry.expires_in is None else f", {span(entry.expires_in)} from now"
    shown = {
        "name": entry.name,
        "uri": entry.uri,
        "metadata": set_text(entry.metadata) if entry.metadata else "none",
        "owner": entry.owner or "nobody",
        "registered": f"{span(entry.age or 0.0)} ago",
        "lasts": lasts + left,
    }
    for title, text in shown.items():
        out.line(f"{title + ':':12}{text}")


def _confirmed(out: Output) -> bool:
    if out.as_json:
        # What goes to standard output is the result, and nothing else.
        print(_QUESTION, end="", file=sys.stderr, flush=True)
    # Where nobody can be asked, nothing is removed.
    with contextlib.suppress(EOFError):
        answer = input("" if out.as_json else _QUESTION)
        return answer.strip().lower() in ("y", "yes")
    return False
