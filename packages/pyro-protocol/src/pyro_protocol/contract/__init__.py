"""What a class offers to remote callers: marks, and the members they make."""

from __future__ import annotations

from .annotations import allow_annotated_classes
from .exposure import behavior, callback, expose, is_private_name, oneway
from .members import Attribute, InstanceMode, Members, Method, members_of, reset_members

__all__ = [
    "Attribute",
    "InstanceMode",
    "Members",
    "Method",
    "allow_annotated_classes",
    "behavior",
    "callback",
    "expose",
    "is_private_name",
    "members_of",
    "oneway",
    "reset_members",
]
