"""Names that a remote object does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from pyro_protocol.uri import URI

__all__ = ["unknown_name"]


def unknown_name(
    uri: URI, known: AbstractSet[str], name: str, kind: str
) -> AttributeError:
    """Return the error that tells of a name, and of what may have been meant.

    Args:
        uri: where the object is.
        known: the names that it has.
        name: the one that it has not.
        kind: what was looked for.
    """
    import difflib  # noqa: PLC0415 - it is for mistakes alone

    text = f"remote object {uri} has no exposed {kind} {name!r}"
    near = difflib.get_close_matches(name, sorted(known), n=1)
    if not near:
        return AttributeError(text)
    # Having a name but no object, it gets no second suggestion from Python.
    return AttributeError(f"{text}; did you mean {near[0]!r}?", name=name)
