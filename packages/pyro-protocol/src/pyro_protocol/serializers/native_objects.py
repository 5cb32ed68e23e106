"""The marks of the native format for what is more than a builtin value.

====  =================  ==========================================================
mark  type               rest of the array
====  =================  ==========================================================
C     object             a dictionary with its class name as ``__class__``
D     dataclass          class name, a dictionary of its fields
N     NamedTuple         class name, a dictionary of its fields
n     numpy array        type, shape, order ``C`` or ``F``, the elements in this order
                         as bytes or a large buffer (see `numpy_arrays`)
v     numpy scalar       type, bytes
G     stream             its number
K     callback           object id, method names, names of those that are oneway,
                         attribute names
====  =================  ==========================================================

URIs, references, exceptions and exception wrappers are objects, with the class names
and the dictionaries that Pyro5 gives them (see `classes` and `exceptions`).

Dataclasses and NamedTuples keep their class if the receiver has allowed it or has a
converter for its name (see `allowed` and `records`); what a converter gets is a
dictionary of the fields. If not, a NamedTuple arrives as a tuple; a dataclass is
refused, unless the configuration item UNKNOWN_CLASSES has it arrive as a dictionary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import SerializeError
from .allowed import class_name, is_dataclass_type, is_named_tuple
from .classes import CLASS_KEY, class_from_dict, record_from_fields, value_or_object
from .connection_states import (
    CallbackState,
    StreamState,
    UnboundReferenceError,
    connection_references,
)
from .foreign import ForeignMember, ForeignRecord
from .native_types import FORMS, MARK_ENUM, mark
from .numpy_arrays import Place, array_parts, read_array, read_scalar
from .records import fields_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BOUND_OBJECTS", "MARK_DATACLASS", "MARK_OBJECT", "OBJECTS", "own_form"]

_MARK_NAMED_TUPLE: Final = mark(b"N")
MARK_DATACLASS: Final = mark(b"D")
_MARK_STREAM: Final = mark(b"G")
_MARK_CALLBACK: Final = mark(b"K")
_MARK_NUMPY_ARRAY: Final = mark(b"n")
_MARK_NUMPY_SCALAR: Final = mark(b"v")
MARK_OBJECT: Final = mark(b"C")

_STREAM_NUMBERS: Final = 1 << 32


def _in_band(elements: memoryview) -> object:
    return elements


def own_form(obj: Any, place: Place = _in_band) -> object | None:
    """Return what is written for an object that is more than its plain value.

    Args:
        obj: an object whose type has no form of its own.
        place: takes the elements of an array, and returns what stands for them.

    Returns:
        The form; None if there is no special one.
    """
    references = connection_references.get()
    state = None if references is None else references.encode(obj)
    if state is not None:
        return _state_form(state)
    clazz = type(obj)
    if is_named_tuple(clazz):
        return [_MARK_NAMED_TUPLE, class_name(clazz), fields_of(obj)]
    # What a class derived from a builtin one holds is not in its fields.
    if is_dataclass_type(clazz) and FORMS.keys().isdisjoint(clazz.__mro__):
        if isinstance(obj, StreamState | CallbackState):
            raise SerializeError(
                f"cannot serialize {obj!r} with native; it belongs to one connection"
            )
        return [MARK_DATACLASS, class_name(clazz), fields_of(obj)]
    found = array_parts(obj, place)
    if found is None:
        return None
    parts, is_array = found
    return [_MARK_NUMPY_ARRAY if is_array else _MARK_NUMPY_SCALAR, *parts]


def _foreign_record_form(record: ForeignRecord) -> object:
    is_tuple = record.kind == "namedtuple"
    letter = _MARK_NAMED_TUPLE if is_tuple else MARK_DATACLASS
    return [letter, record.class_name, record.fields]


def _foreign_member_form(member: ForeignMember) -> object:
    return [MARK_ENUM, member.class_name, member.name, member.value]


FORMS[ForeignRecord] = _foreign_record_form
FORMS[ForeignMember] = _foreign_member_form


def _state_form(state: StreamState | CallbackState) -> object:
    if isinstance(state, StreamState):
        return [_MARK_STREAM, state.number]
    # Sorted, so that equal states have equal bytes.
    names = (state.methods, state.oneway, state.attributes)
    return [_MARK_CALLBACK, state.object_id, *map(sorted, names)]


def _read_named_tuple(items: list[Any]) -> object:
    name, fields = items
    if type(fields) is not dict:
        raise TypeError("a NamedTuple is a class name and a dictionary of its fields")
    plain = tuple(fields.values())
    return value_or_object(name, {**fields, CLASS_KEY: name}, plain, tuple)


def _read_dataclass(items: list[Any]) -> object:
    name, fields = items
    return record_from_fields(name, fields)


def _read_stream(items: list[Any]) -> object:
    (number,) = items
    if type(number) is not int or not 0 <= number < _STREAM_NUMBERS:
        raise TypeError("the number of a stream is expected")
    return _referred(StreamState(number))


def _read_callback(items: list[Any]) -> object:
    object_id, *names = items
    methods, oneway, attributes = names
    if type(object_id) is not str or not all(
        type(one) is list and all(type(name) is str for name in one) for one in names
    ):
        raise TypeError("an object id and three lists of names are expected")
    return _referred(
        CallbackState(
            object_id, frozenset(methods), frozenset(oneway), frozenset(attributes)
        )
    )


def _referred(state: StreamState | CallbackState) -> object:
    references = connection_references.get()
    return state if references is None else references.decode(state)


def _read_bound_stream(items: list[Any]) -> object:
    _check_bound("a stream", "chunks")
    return _read_stream(items)


def _read_bound_callback(items: list[Any]) -> object:
    _check_bound("a callback", "callbacks")
    return _read_callback(items)


def _check_bound(what: str, capability: str) -> None:
    if connection_references.get() is None:
        raise UnboundReferenceError(
            f"{what} cannot be received here: the capability {capability!r} is not in "
            "force on this connection"
        )


def _read_object(items: list[Any]) -> object:
    (data,) = items
    if type(data) is not dict or CLASS_KEY not in data:
        raise TypeError("an object is a dictionary with its class name")
    # What is inside has been turned into objects before.
    return class_from_dict(data, _same)


def _same(value: Any) -> Any:
    return value


OBJECTS: Final[dict[bytes, Callable[[list[Any]], object]]] = {
    _MARK_NAMED_TUPLE.data: _read_named_tuple,
    MARK_DATACLASS.data: _read_dataclass,
    _MARK_STREAM.data: _read_stream,
    _MARK_CALLBACK.data: _read_callback,
    _MARK_NUMPY_ARRAY.data: read_array,
    _MARK_NUMPY_SCALAR.data: read_scalar,
    MARK_OBJECT.data: _read_object,
}
"""What makes an object of the rest of an array, by the letter of its mark."""

BOUND_OBJECTS: Final[dict[bytes, Callable[[list[Any]], object]]] = {
    **OBJECTS,
    _MARK_STREAM.data: _read_bound_stream,
    _MARK_CALLBACK.data: _read_bound_callback,
}
"""The same where streams and callbacks are refused without a connection."""
