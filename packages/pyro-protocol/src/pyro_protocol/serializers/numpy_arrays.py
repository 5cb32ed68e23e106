"""Arrays and scalars of numpy as descriptions and bytes, and back.

A type of elements is described by numpy's own text for it, such as ``<f8``; a structure
by a dictionary with ``names``, ``formats``, ``offsets``, ``itemsize`` and ``aligned``;
a format that is an array itself by a list of the format of its elements and its shape.

Only types whose elements are nothing but bytes travel: numbers, dates, booleans, text
and bytes of fixed length, and structures of these. What is read is checked before numpy
sees it, and never evaluated, unpickled or imported.

numpy is not needed unless it is used: it is imported when an array arrives.
"""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from math import prod
from typing import Any, Final

from ..errors import SerializeError
from .codec import type_name

__all__ = [
    "DIMENSIONS_LIMIT",
    "LEVELS_LIMIT",
    "Place",
    "array_parts",
    "array_types",
    "read_array",
    "read_scalar",
    "size_of",
]

Place = Callable[[memoryview], object]
"""Takes the bytes of an array, and returns what stands for them in the message."""

LEVELS_LIMIT: Final = 32
"""How deeply structures may be nested in a type of elements. numpy goes through them
with the stack of C; those of real data have two or three levels."""

DIMENSIONS_LIMIT: Final = 64
"""How many dimensions numpy itself can handle, from version 2 on."""

# The plain types have the same form on all machines; long doubles do not.
_PLAIN: Final = (
    r"[<>|](?:b1|[iu][1248]|f[248]|c(?:8|16)|[SUV][0-9]{1,9}"
    r"|[mM]8(?:\[(?:[1-9][0-9]{0,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)"
)
# The numbers among them as the struct module writes them.
_NUMBERS: Final = {
    "b1": "?", "f2": "e", "f4": "f", "f8": "d", "c8": "ff", "c16": "dd",
    "i1": "b", "i2": "h", "i4": "i", "i8": "q",
    "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
}  # fmt: skip
_PARTS: Final = frozenset({"names", "formats", "offsets", "itemsize", "aligned"})
_SAME_AS_ARRAYS: Final = ("ndarray", "matrix", "memmap", "recarray")


def _numpy() -> Any:
    """Return numpy if the program has imported it, else None."""
    numpy = sys.modules.get("numpy")
    # While it is being imported, nothing is there yet.
    return numpy if hasattr(numpy, "ndarray") and hasattr(numpy, "generic") else None


def array_types() -> frozenset[type]:
    """Return numpy's class of arrays, if the program has imported it."""
    numpy = _numpy()
    return frozenset() if numpy is None else frozenset({numpy.ndarray})


def size_of(obj: Any) -> int:
    """Return the bytes of the elements of an array; 0 for anything else."""
    numpy = _numpy()
    if numpy is None or not issubclass(type(obj), numpy.ndarray):
        return 0
    size: int = obj.nbytes
    return size


def array_parts(obj: Any, place: Place) -> tuple[list[Any], bool] | None:
    """Return what describes an array or a scalar, None for anything else.

    Args:
        obj: any object.
        place: takes the elements.

    Returns:
        For an array its type, shape and order, and what ``place`` has returned; for
        a scalar its type and bytes; and whether it is an array.

    Raises:
        SerializeError: the elements are not plain bytes, or the class of the array
            means more than its elements.
    """
    numpy = _numpy()
    if numpy is None or not issubclass(type(obj), (numpy.ndarray, numpy.generic)):
        return None
    described = _description(numpy, obj.dtype)
    if isinstance(obj, numpy.generic):
        # numpy gives empty text a byte.
        data = _copy(numpy, obj).tobytes()[: obj.dtype.itemsize]
        return [described, data], False
    if type(obj) not in [getattr(numpy, name, None) for name in _SAME_AS_ARRAYS]:
        raise SerializeError(
            f"cannot serialize {type_name(type(obj))} with native; only the elements"
            " would arrive: send a plain array, such as numpy.asarray makes, or"
            " register a converter with register_class_to_dict"
        )
    if obj.dtype.itemsize == 0:
        raise SerializeError("cannot serialize an array whose elements have no bytes")
    plain = obj.view(numpy.ndarray)
    is_fortran = plain.flags.f_contiguous and not plain.flags.c_contiguous
    elements = plain.T if is_fortran else plain
    if not elements.flags.c_contiguous:
        elements = _copy(numpy, elements)
    view = memoryview(elements.reshape(elements.size).view(numpy.uint8))
    order = "F" if is_fortran else "C"
    return [described, list(obj.shape), order, place(view)], True


def _copy(numpy: Any, values: Any) -> Any:
    """Return a copy in which nothing stands between the fields of a structure."""
    # numpy's own copies have there what was in memory before, which is nobody's
    # business.
    result = numpy.zeros(values.shape, values.dtype)
    result[...] = values
    return result


def _description(numpy: Any, dtype: Any) -> object:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return [_description(numpy, base), list(shape)]
    if dtype.names is not None:
        fields = [dtype.fields[name] for name in dtype.names]
        return {
            "names": list(dtype.names),
            "formats": [_description(numpy, field[0]) for field in fields],
            "offsets": [field[1] for field in fields],
            "itemsize": dtype.itemsize,
            "aligned": dtype.isalignedstruct,
        }
    text: str = dtype.str
    # Types that others have added to numpy look like raw bytes.
    if re.fullmatch(_PLAIN, text) is None or numpy.dtype(text) != dtype:
        raise SerializeError(
            f"cannot serialize numpy's type {str(dtype)[:100]!r} with native; "
            + (
                "its elements are objects, not bytes: send a list"
                if dtype.hasobject
                else "its form depends on the machine: convert the array with astype"
            )
        )
    return text


def read_array(parts: list[Any]) -> object:
    """Return the array that a description and its elements stand for.

    A bytearray becomes part of the array as it is; other bytes are copied, so that
    the array can be written to.

    Raises:
        SerializeError: the parts are malformed, or numpy is missing.
    """
    described, shape, order, data = parts
    numpy = _imported()
    dtype = _dtype(numpy, described)
    if order not in {"C", "F"} or not isinstance(data, bytes | bytearray):
        raise SerializeError("malformed array; the order is C or F, the data are bytes")
    _check_shape(shape)
    if dtype.itemsize == 0 or prod(shape) * dtype.itemsize != len(data):
        raise SerializeError(
            f"malformed array; {len(data)} bytes are not the elements of its shape"
        )
    if not isinstance(data, bytearray):
        data = bytearray(data)
    return numpy.ndarray(tuple(shape), dtype, buffer=data, order=order)


def read_scalar(parts: list[Any]) -> object:
    """Return the scalar that a description and its bytes stand for.

    Where numpy is missing, a number arrives as Python's own: a server that computes
    with numpy must not demand it of a client that only reads the results.

    Raises:
        SerializeError: the parts are malformed, or numpy is missing for what is no
            number.
    """
    described, data = parts
    try:
        numpy = _imported()
    except SerializeError:
        return _python_number(described, data)
    dtype = _dtype(numpy, described)
    if not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise SerializeError("malformed scalar; its bytes do not fit its type")
    if not data:
        return dtype.type()
    return numpy.ndarray((), dtype, buffer=bytearray(data))[()]


def _python_number(described: object, data: object) -> object:
    """Return the number that a scalar stands for, without numpy.

    Raises:
        SerializeError: it is malformed, or no number.
    """
    layout = _NUMBERS.get(described[1:]) if isinstance(described, str) else None
    if layout is None:
        raise _missing()
    order = ">" if str(described).startswith(">") else "<"
    try:
        parts = struct.unpack(order + layout, data)  # type: ignore[arg-type] # is tried
    except (struct.error, TypeError) as error:
        raise SerializeError(
            "malformed scalar; its bytes do not fit its type"
        ) from error
    return parts[0] if len(parts) == 1 else complex(*parts)


def _imported() -> Any:
    try:
        return import_module("numpy")
    except ImportError as error:
        raise _missing() from error


def _missing() -> SerializeError:
    return SerializeError(
        "received an array, but numpy is not installed here;"
        " pip install 'pyro-protocol[numpy]'"
    )


def _dtype(numpy: Any, described: object, levels: int = LEVELS_LIMIT) -> Any:
    """Return a type of elements; what numpy does not like, it raises."""
    if isinstance(described, str):
        if re.fullmatch(_PLAIN, described) is None:
            raise SerializeError(f"malformed array; unknown type {described[:100]!r}")
        return numpy.dtype(described)
    if not levels:
        raise SerializeError(
            f"malformed array; its type has more than {LEVELS_LIMIT} levels"
        )
    if isinstance(described, list):
        base, shape = described
        _check_shape(shape)
        return numpy.dtype((_dtype(numpy, base, levels - 1), tuple(shape)))
    if not isinstance(described, dict) or described.keys() != _PARTS:
        raise SerializeError("malformed array; its type is a text or a structure")
    names, offsets = described["names"], described["offsets"]
    if not (
        len(names) == len(offsets)
        and all(type(name) is str for name in names)
        and all(type(offset) is int for offset in (*offsets, described["itemsize"]))
        and type(described["aligned"]) is bool
    ):
        raise SerializeError("malformed array; a part of its structure has no meaning")
    formats = [_dtype(numpy, one, levels - 1) for one in described["formats"]]
    structure = {
        "names": names,
        "formats": formats,
        "offsets": offsets,
        "itemsize": described["itemsize"],
    }
    return numpy.dtype(structure, align=described["aligned"])


def _check_shape(shape: object) -> None:
    if (
        not isinstance(shape, list)
        or len(shape) > DIMENSIONS_LIMIT
        or not all(type(one) is int and one >= 0 for one in shape)
    ):
        raise SerializeError(
            f"malformed array; its shape is at most {DIMENSIONS_LIMIT} numbers"
        )
