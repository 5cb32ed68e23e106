"""``Pyro5.serializers``: values as bytes, and converters for classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import pyro_protocol
from pyro_protocol.serializers.classes import class_from_dict, recreate, simplify

from ..serializing import SerializerBase as SharedBase

if TYPE_CHECKING:
    from pyro_protocol.serializers import Serializer

__all__ = [
    "JsonSerializer",
    "MarshalSerializer",
    "MsgpackSerializer",
    "SerializerBase",
    "SerpentSerializer",
    "serializers",
    "serializers_by_id",
]


class SerializerBase(SharedBase):
    """Turns values into bytes and back, and knows the converters for classes.

    Attributes:
        serializer_id: the number in the message header.
    """

    __module__ = "Pyro5.serializers"

    _name: ClassVar[str] = ""

    @property
    def _serializer(self) -> Serializer:
        return pyro_protocol.serializers[self._name]

    @classmethod
    def class_to_dict(cls, obj: object) -> Any:
        """Return the dictionary as which an object travels.

        Raises:
            SerializeError: it cannot.
        """
        return simplify(obj, "json", {})

    @classmethod
    def dict_to_class(cls, data: dict[Any, Any]) -> Any:
        """Return the object that a dictionary with the key ``__class__`` stands for.

        Raises:
            SerializeError: the class is not known here.
            SecurityError: it is never built.
        """
        return class_from_dict(data, recreate)

    def recreate_classes(self, literal: Any) -> Any:
        """Return a value with its class dictionaries turned into objects."""
        return recreate(literal)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__}>"


class SerpentSerializer(SerializerBase):
    """Python literals, the default."""

    __module__ = "Pyro5.serializers"
    serializer_id = 1
    _name = "serpent"


class MarshalSerializer(SerializerBase):
    """Python's own format, for peers that are trusted."""

    __module__ = "Pyro5.serializers"
    serializer_id = 2
    _name = "marshal"


class JsonSerializer(SerializerBase):
    """JSON."""

    __module__ = "Pyro5.serializers"
    serializer_id = 3
    _name = "json"


class MsgpackSerializer(SerializerBase):
    """MessagePack."""

    __module__ = "Pyro5.serializers"
    serializer_id = 4
    _name = "msgpack"


_ALL: Final = (
    ("serpent", SerpentSerializer()),
    ("marshal", MarshalSerializer()),
    ("json", JsonSerializer()),
    ("msgpack", MsgpackSerializer()),
)

serializers: dict[str, SerializerBase] = dict(_ALL)
"""Every serializer by its name."""

serializers_by_id: dict[int, SerializerBase] = {
    one.serializer_id: one for one in serializers.values()
}
"""Every serializer by its number in the message header."""
