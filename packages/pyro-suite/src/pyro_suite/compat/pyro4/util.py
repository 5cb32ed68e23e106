"""``Pyro4.util``: tracebacks, and converters for classes of the program.

The serializers themselves can be asked for as well, to see what becomes of a value.
"""

# ruff: noqa: N802 - the documented names

from __future__ import annotations

import sys
import traceback
import zlib
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pyro_protocol import serializers
from pyro_protocol.contract.exposure import is_private_name as is_private_attribute
from pyro_protocol.dispatch.tracebacks import remote_traceback
from pyro_protocol.errors import SerializeError, excepthook, get_pyro_traceback
from pyro_protocol.serializers.opt_in import PICKLED_IDS, opted_in

from ..serializing import SerializerBase as SharedBase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from pyro_protocol.serializers import Buffer, Serializer

__all__ = [
    "CloudpickleSerializer",
    "DillSerializer",
    "JsonSerializer",
    "MarshalSerializer",
    "MsgpackSerializer",
    "PickleSerializer",
    "SerializerBase",
    "SerpentSerializer",
    "excepthook",
    "formatTraceback",
    "getAttribute",
    "getPyroTraceback",
    "get_serializer",
    "get_serializer_by_id",
    "is_private_attribute",
]

_WORTH_COMPRESSING: Final = 200

getPyroTraceback = get_pyro_traceback  # noqa: N816 - the documented name


def formatTraceback(
    ex_type: type[BaseException] | None = None,
    ex_value: BaseException | None = None,
    ex_tb: TracebackType | None = None,
    detailed: bool = False,
) -> list[str]:
    """Return the text lines of an exception's traceback.

    Args:
        ex_type: the class of the exception.
        ex_value: the exception; the one being handled if left out.
        ex_tb: its traceback; the exception's own if left out.
        detailed: whether the values of local variables are included.
    """
    error = sys.exception() if ex_value is None else ex_value
    if error is None:
        return []
    if detailed:
        return remote_traceback(error, detailed=True)
    trace = error.__traceback__ if ex_tb is None else ex_tb
    return traceback.format_exception(ex_type or type(error), error, trace)


def getAttribute(obj: Any, attr: str) -> Any:
    """Return an attribute that may be reached from elsewhere.

    Args:
        obj: the object.
        attr: the name; one with dots is not followed.

    Raises:
        AttributeError: the name is private, or there is no such attribute.
    """
    if is_private_attribute(attr):
        raise AttributeError(f"attempt to access private attribute {attr!r}")
    return getattr(obj, attr)


class SerializerBase(SharedBase):
    """What all serializers have in common; the converters hold for all of them.

    Objects made of it turn values into bytes and back, as they travel.

    Attributes:
        name: what the configuration calls the serializer.
        serializer_id: its number in the messages of Pyro4.
    """

    name: ClassVar[str] = ""

    def serializeData(self, data: Any, compress: bool = False) -> tuple[bytes, bool]:
        """Return a value as bytes, and whether they were compressed."""
        return _compressed(self.dumps(data), compress)

    def deserializeData(self, data: Buffer, compressed: bool = False) -> Any:
        """Return the value of bytes that may be compressed."""
        return self.loads(_whole(data, compressed))

    def serializeCall(
        self,
        obj: str,
        method: str,
        vargs: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        compress: bool = False,
    ) -> tuple[bytes, bool]:
        """Return a call as bytes, and whether they were compressed."""
        return _compressed(self.dumpsCall(obj, method, vargs, kwargs), compress)

    def deserializeCall(
        self, data: Buffer, compressed: bool = False
    ) -> tuple[str, str, Sequence[Any], Any]:
        """Return the call of bytes that may be compressed."""
        return self.loadsCall(_whole(data, compressed))

    @property
    def _serializer(self) -> Serializer:
        if self.name in PICKLED_IDS:
            return opted_in(self.name)
        return serializers[self.name]


class SerpentSerializer(SerializerBase):
    """Literals of Python as text; the default."""

    name = "serpent"
    serializer_id = 1


class JsonSerializer(SerializerBase):
    """JSON."""

    name = "json"
    serializer_id = 2


class MarshalSerializer(SerializerBase):
    """Python's marshal; for trusted peers only."""

    name = "marshal"
    serializer_id = 3


class PickleSerializer(SerializerBase):
    """Python's pickle; runs any code that its data asks for."""

    name = "pickle"
    serializer_id = 4


class DillSerializer(SerializerBase):
    """The dill library; runs any code that its data asks for."""

    name = "dill"
    serializer_id = 5


class MsgpackSerializer(SerializerBase):
    """The msgpack library."""

    name = "msgpack"
    serializer_id = 6


class CloudpickleSerializer(SerializerBase):
    """The cloudpickle library; runs any code that its data asks for."""

    name = "cloudpickle"
    serializer_id = 7


_KINDS: Final = (
    SerpentSerializer,
    JsonSerializer,
    MarshalSerializer,
    PickleSerializer,
    DillSerializer,
    MsgpackSerializer,
    CloudpickleSerializer,
)


def get_serializer(name: str) -> SerializerBase:
    """Return a serializer by its name.

    Raises:
        SerializeError: there is none of that name.
    """
    for kind in _KINDS:
        if kind.name == name:
            return kind()
    raise SerializeError(
        f"serializer {name!r} is unknown or not available; there are "
        + ", ".join(kind.name for kind in _KINDS)
    )


def get_serializer_by_id(sid: int) -> SerializerBase:
    """Return a serializer by its number in the messages of Pyro4.

    Raises:
        SerializeError: there is none of that number.
    """
    for kind in _KINDS:
        if kind.serializer_id == sid:
            return kind()
    raise SerializeError(f"no serializer has the id {sid}")


def _compressed(data: bytes, compress: bool) -> tuple[bytes, bool]:
    if not compress or len(data) < _WORTH_COMPRESSING:
        return data, False
    smaller = zlib.compress(data)
    return (smaller, True) if len(smaller) < len(data) else (data, False)


def _whole(data: Buffer, compressed: bool) -> Buffer:
    return zlib.decompress(data) if compressed else data
