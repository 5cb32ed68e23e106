"""What an object offers, as ``pyro-call`` shows it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.contract.described import (
    DescribedAttribute,
    DescribedMethod,
    Description,
)

from .command_line import printable
from .descriptions import describe
from .signatures import signature_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .proxy import Proxy

__all__ = ["listed", "listed_as_data"]

_INDENT: Final = " " * 6


def listed(proxy: Proxy, name: str | None = None) -> Iterator[str]:
    """Return lines about what an object offers, for people.

    Args:
        proxy: a connected proxy.
        name: a method or attribute, to tell all about it; None for all, in brief.
    """
    description = _description(proxy)
    if name is None:
        yield str(proxy._pyroUri)
        yield from _brief(description.doc, "")
    for title, names in (
        ("methods:", proxy._pyroMethods),
        ("attributes:", proxy._pyroAttrs),
    ):
        if name is None and names:
            yield title
        for one in sorted(names):
            if name in (None, one):
                yield f"  {_headline(proxy, description, one)}"
                doc = _member_doc(description, one)
                yield from _brief(doc, _INDENT) if name is None else _whole(doc)


def listed_as_data(proxy: Proxy, name: str | None = None) -> dict[str, Any]:
    """Return what an object offers as plain data.

    Args:
        proxy: a connected proxy.
        name: a method or attribute; None for all.
    """
    description = _description(proxy)
    described = {
        one: {
            "signature": _signature(description, one),
            "doc": _member_doc(description, one),
        }
        for one in sorted(proxy._pyroMethods | proxy._pyroAttrs)
        if name in (None, one)
    }
    if name is not None:
        return {"name": name, **described[name]}
    return {
        "uri": str(proxy._pyroUri),
        "doc": description.doc,
        "methods": sorted(proxy._pyroMethods),
        "attributes": sorted(proxy._pyroAttrs),
        "oneway": sorted(proxy._pyroOneway),
        "members": described,
    }


def _description(proxy: Proxy) -> Description:
    """Return what the server tells; servers of Pyro5 tell no more than names."""
    return describe(proxy._pyro_binding) or Description()  # noqa: SLF001 - of this package


def _headline(proxy: Proxy, description: Description, name: str) -> str:
    marks = []
    if name in proxy._pyroOneway:
        marks.append("oneway")
    member = _member(description, name)
    if isinstance(member, DescribedMethod) and member.kind == "stream":
        marks.append("stream")
    if isinstance(member, DescribedAttribute) and not member.writable:
        marks.append("read-only")
    if isinstance(member, DescribedAttribute) and not member.readable:
        marks.append("write-only")
    text = name + (_signature(description, name) or "")
    return printable(f"{text}  ({', '.join(marks)})" if marks else text)


def _member(
    description: Description, name: str
) -> DescribedMethod | DescribedAttribute | None:
    return description.methods.get(name) or description.attributes.get(name)


def _signature(description: Description, name: str) -> str | None:
    """Return what follows a name: parameters, or the type of an attribute."""
    member = _member(description, name)
    if isinstance(member, DescribedMethod):
        signature = signature_of(member)
        return None if signature is None else str(signature)
    if member is None or member.annotation is None:
        return None
    return f": {member.annotation}"


def _member_doc(description: Description, name: str) -> str | None:
    member = _member(description, name)
    return None if member is None else member.doc


def _brief(doc: str | None, indent: str) -> Iterable[str]:
    """Return the first line of a docstring."""
    first = (doc or "").strip().partition("\n")[0]
    return [indent + printable(first)] if first else []


def _whole(doc: str | None) -> Iterable[str]:
    lines = textwrap.dedent(doc or "").strip().splitlines()
    return [f"{_INDENT}{printable(line)}".rstrip() for line in lines]
