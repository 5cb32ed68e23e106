"""Values as bytes, in five formats; who uses which is decided above.

================  ==  =========================================================
name              id  what it is for
================  ==  =========================================================
``serpent``       1   every Pyro since version 3 reads it
``marshal``       2   trusted Python peers only
``json``          3   peers in any language
``msgpack``       4   compact; Pyro5 with the msgpack library
``native``        78  peers of our own family: every builtin type stays what it is
================  ==  =========================================================
"""

from __future__ import annotations

from typing import Final

from .classes import (
    register_class_to_dict,
    register_dict_to_class,
    unregister_class_to_dict,
    unregister_dict_to_class,
)
from .codec import Buffer, Serializer
from .exceptions import ExceptionWrapper
from .json import JsonSerializer
from .marshal import MarshalSerializer
from .msgpack import MsgpackSerializer
from .native import NativeSerializer
from .serpent import SerpentSerializer

__all__ = [
    "Buffer",
    "ExceptionWrapper",
    "Serializer",
    "register_class_to_dict",
    "register_dict_to_class",
    "serializers",
    "serializers_by_id",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
]

serializers: Final[dict[str, Serializer]] = {
    serializer.name: serializer
    for serializer in (
        SerpentSerializer(),
        MarshalSerializer(),
        JsonSerializer(),
        MsgpackSerializer(),
        NativeSerializer(),
    )
}
"""Every serializer by its name in the configuration."""

serializers_by_id: Final[dict[int, Serializer]] = {
    serializer.id: serializer for serializer in serializers.values()
}
"""Every serializer by its number in the message header."""
