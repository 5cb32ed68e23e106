"""The names under which metrics and traces count calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pyro_protocol.dispatch import CallDetails

__all__ = ["CallLabel", "label_of"]

_GENERATED: Final = re.compile("obj_[0-9a-f]{32}")
_UNKNOWN: Final = "unknown"


class CallLabel(NamedTuple):
    """What a call is counted as.

    Attributes:
        object: the id of the object, or its class if the id was generated.
        method: the name of the method or attribute.
    """

    object: str
    method: str


def label_of(call: CallDetails) -> CallLabel:
    """Return what a call is counted as.

    Names that a client has made up are all counted as ``unknown``.
    """
    if call.object_class is None:
        return CallLabel(_UNKNOWN, _UNKNOWN)
    name = call.object_id
    if _GENERATED.fullmatch(name):
        name = call.object_class.__qualname__
    return CallLabel(name, call.name if call.exposed else _UNKNOWN)
