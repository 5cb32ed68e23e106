"""What a class offers to remote callers: marks, and the members they make."""

from __future__ import annotations

from .annotations import allow_annotated_classes
from .concurrency import ConcurrencyPolicy, Passage, concurrency
from .description import DESCRIPTION_VERSION, describe_members
from .exposure import (
    behavior,
    callback,
    expose,
    idempotent,
    is_private_name,
    oneway,
)
from .members import Attribute, InstanceMode, Members, Method, members_of, reset_members
from .roles import Requirements, requires
from .views import View, forget_views, view_of

__all__ = [
    "DESCRIPTION_VERSION",
    "Attribute",
    "ConcurrencyPolicy",
    "InstanceMode",
    "Members",
    "Method",
    "Passage",
    "Requirements",
    "View",
    "allow_annotated_classes",
    "behavior",
    "callback",
    "concurrency",
    "describe_members",
    "expose",
    "forget_views",
    "idempotent",
    "is_private_name",
    "members_of",
    "oneway",
    "requires",
    "reset_members",
    "view_of",
]
