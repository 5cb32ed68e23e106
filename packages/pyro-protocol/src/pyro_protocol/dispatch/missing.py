"""What is said of a method or an attribute that is not there, or not exposed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from ..contract import is_private_name

if TYPE_CHECKING:
    from ..contract import Members

__all__ = ["not_exposed"]


def not_exposed(
    object_id: str, kind: str, name: object, members: Members
) -> AttributeError:
    """Say what is missing, and what the caller may have meant."""
    if not isinstance(name, str):
        return AttributeError(f"the name of an attribute must be text, not {name!r}")
    if is_private_name(name):
        return AttributeError(
            f"attempt to access private {kind} {name!r} of object {object_id!r}"
        )
    known = members.methods if kind == "method" else members.attributes
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return AttributeError(f"object {object_id!r} has no exposed {kind} {name!r}{hint}")
