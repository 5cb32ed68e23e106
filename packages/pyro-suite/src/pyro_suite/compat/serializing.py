"""Serializers, as the programs of Pyro5 and Pyro4 know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pyro_protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyro_protocol.serializers import Buffer, Serializer

__all__ = ["SerializerBase"]


class SerializerBase:
    """Turns values into bytes and back; the converters hold for all serializers.

    Attributes:
        serializer_id: the number in the message header.
    """

    serializer_id: ClassVar[int] = 0

    @property
    def _serializer(self) -> Serializer:
        raise NotImplementedError

    def dumps(self, data: Any) -> bytes:
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
        vargs: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
    ) -> bytes:
        """Return a call as bytes.

        Raises:
            SerializeError: an argument holds something that cannot travel.
        """
        return self._serializer.dumps_call(obj, method, vargs, kwargs)

    def loadsCall(  # noqa: N802 - the documented name
        self, data: Buffer
    ) -> tuple[str, str, Sequence[Any], dict[str, Any] | None]:
        """Return the call that bytes hold: object id, method and arguments.

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
