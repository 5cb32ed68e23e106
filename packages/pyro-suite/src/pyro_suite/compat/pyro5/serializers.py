"""``Pyro5.serializers``: values as bytes, and converters for classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import pyro_protocol
from pyro_protocol.serializers.classes import class_from_dict, recreate, simplify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyro_protocol.serializers import Buffer, Serializer

__all__ = [
    "JsonSerializer",
    "MarshalSerializer",
    "MsgpackSerializer",
    "SerializerBase",
    "SerpentSerializer",
    "serializers",
    "serializers_by_id",
]


class SerializerBase:
    """Turns values into bytes and back, and knows the converters for classes.

    Attributes:
        serializer_id: the number in the message header.
    """

    __module__ = "Pyro5.serializers"

    serializer_id: ClassVar[int] = 0
    _name: ClassVar[str] = ""

    @property
    def _serializer(self) -> Serializer:
        return pyro_protocol.serializers[self._name]

    def dumps(self, data: object) -> bytes:
        """Return a value as bytes.

        Raises:
            SerializeError: it holds something that cannot travel.
        """
        return self._serializer.dumps(data)

    def loads(self, data: Buffer) -> Any:
        """Return the value that bytes hold.

        Raises:
            SerializeError: they are malformed, or name an unknown class.
            SecurityError: they name a class that is never built.
        """
        return self._serializer.loads(data)

    def dumpsCall(  # noqa: N802 - the documented name
        self,
        obj: str,
        method: str,
        vargs: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        """Return a call as bytes.

        Raises:
            SerializeError: an argument holds something that cannot travel.
        """
        return self._serializer.dumps_call(obj, method, vargs, kwargs)

    def loadsCall(  # noqa: N802 - the documented name
        self, data: Buffer
    ) -> tuple[str, str, Sequence[Any], dict[str, Any] | None]:
        """Return the call that bytes hold.

        Raises:
            SerializeError: they are malformed, or not a call.
            SecurityError: they name a class that is never built.
        """
        return self._serializer.loads_call(data)

    @classmethod
    def register_class_to_dict(
        cls,
        clazz: type,
        converter: Callable[[Any], dict[str, Any]],
        serpent_too: bool = True,
    ) -> None:
        """Have objects of a class converted before they travel.

        Args:
            clazz: the class; its subclasses are meant as well.
            converter: returns a dictionary with the key ``__class__``.
            serpent_too: whether the serpent serializer uses it as well.
        """
        pyro_protocol.register_class_to_dict(clazz, converter, serpent_too)

    @classmethod
    def unregister_class_to_dict(cls, clazz: type) -> None:
        """Forget the converter registered for a class, if there is one."""
        pyro_protocol.unregister_class_to_dict(clazz)

    @classmethod
    def register_dict_to_class(
        cls, classname: str, converter: Callable[[str, dict[str, Any]], Any]
    ) -> None:
        """Have received dictionaries of a class turned into objects.

        Args:
            classname: the text under ``__class__``.
            converter: is called with this text and the dictionary.
        """
        pyro_protocol.register_dict_to_class(classname, converter)

    @classmethod
    def unregister_dict_to_class(cls, classname: str) -> None:
        """Forget the converter registered for a class name, if there is one."""
        pyro_protocol.unregister_dict_to_class(classname)

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
