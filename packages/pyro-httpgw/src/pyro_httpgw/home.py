"""The home page: which objects there are, and links to call them.

It needs nothing but itself: no script, no picture, no other site. Whatever comes from
a name server or a daemon is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from .__about__ import __version__
from .access import KEY_PARAMETER
from .messages import HTML, Response
from .routing import METADATA

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .objects import Members

__all__ = ["HomePage", "ListedObject", "home_response"]

_STYLE: Final = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.5 }
body { margin: 0 auto; max-width: 70rem; padding: 1rem }
h1 { font-size: 1.5rem; margin-bottom: 0 }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
th, td { border-bottom: 1px solid #8886; padding: .4rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere }
td a { display: inline-block; margin-right: .6rem }
code { font-family: ui-monospace, monospace }
.problem { font-style: italic }
"""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One object of the list.

    Attributes:
        name: its name.
        members: what it has, or None if that is not known.
        problem: why it is not known, or ``""`` if nobody has asked.
    """

    name: str
    members: Members | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class HomePage:
    """What the page tells.

    Attributes:
        objects: the objects, in the order in which they are shown.
        exposed: the expression that reachable names begin with.
        name_server: where the name server is.
        key: the gateway key that the links carry, or None.
    """

    objects: Sequence[ListedObject]
    exposed: str
    name_server: str
    key: str | None = None


def home_response(page: HomePage) -> Response:
    """Return the home page."""
    headers = (
        ("Content-Type", HTML),
        ("Content-Security-Policy", _POLICY),
        # A link is a call: nobody but a person should follow it.
        ("X-Robots-Tag", "noindex, nofollow"),
    )
    return Response(HTTPStatus.OK, headers, _document(page).encode("utf-8"))


def _document(page: HomePage) -> str:
    rows = "\n".join(_row(listed, page.key) for listed in page.objects)
    if not rows:
        rows = '<tr><td colspan="3">No such object is registered.</td></tr>'
    which = (
        f"Objects can be called whose names begin with <code>{escape(page.exposed)}"
        "</code>."
        if page.exposed
        else "<strong>All objects of the name server can be called.</strong>"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Pyro HTTP gateway</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>Pyro HTTP gateway</h1>
<p>Version {escape(__version__)}; name server at {escape(page.name_server)}</p>
</header>
<main>
<p>{which} Follow a link to call a method without arguments or to read an attribute; add
arguments to the address, as in <code>?room=kitchen&amp;hours=3</code>. The answer is
JSON.</p>
<table>
<thead><tr><th scope="col">Object</th><th scope="col">Methods</th>
<th scope="col">Attributes</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</main>
</body>
</html>
"""


def _row(listed: ListedObject, key: str | None) -> str:
    name = listed.name
    head = f'<th scope="row">{_link(name, METADATA, name, key)}</th>'
    if listed.members is None:
        problem = escape(listed.problem)
        return f'<tr>{head}<td class="problem" colspan="2">{problem}</td></tr>'
    methods = _links(name, listed.members.methods, key)
    attributes = _links(name, listed.members.attributes, key)
    return f"<tr>{head}<td>{methods}</td><td>{attributes}</td></tr>"


def _links(name: str, members: Collection[str], key: str | None) -> str:
    return " ".join(_link(name, member, member, key) for member in sorted(members))


def _link(name: str, member: str, shown: str, key: str | None) -> str:
    # The dot: a name with a colon would be taken for another scheme.
    address = f"./{quote(name)}/{quote(member)}"
    if key is not None:
        address += "?" + urlencode({KEY_PARAMETER: key})
    return f'<a rel="nofollow" href="{escape(address)}">{escape(shown)}</a>'
