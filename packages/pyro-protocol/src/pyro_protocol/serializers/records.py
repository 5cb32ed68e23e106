"""Dataclasses, NamedTuples and enumerations: taken apart, and built again.

Sender and receiver need not have the same version of a class. Fields that the
receiver does not know are ignored; for those that are missing the class must have a
default. A NamedTuple or dataclass is built by calling the class with its fields by
name, so that its own checks run; fields that its constructor does not take are set
afterwards. An ``InitVar`` does not travel, and so needs a default. Attributes that
are not fields do not travel.

A member of an enumeration is found by its name, a combination of flags by its value;
if there is no such name, by its value, too.
"""

from __future__ import annotations

from enum import Enum, Flag
from typing import Any, Final
from weakref import WeakKeyDictionary

from ..errors import SerializeError
from ..frozen import NamedTuple
from .codec import type_name

__all__ = ["build_dataclass", "build_member", "build_named_tuple", "fields_of"]

_UNSET: Final = object()


class _Fields(NamedTuple):
    """The names of the fields of a class.

    Attributes:
        given: those that its constructor takes.
        later: the others.
    """

    given: tuple[str, ...]
    later: tuple[str, ...]


_known: Final[WeakKeyDictionary[type, _Fields]] = WeakKeyDictionary()


def fields_of(obj: Any) -> dict[str, Any]:
    """Return the fields of a dataclass or a NamedTuple that have a value."""
    fields = _fields(type(obj))
    if isinstance(obj, tuple):
        return dict(zip(fields.given, obj, strict=True))
    names = fields.given + fields.later
    values = {name: getattr(obj, name, _UNSET) for name in names}
    return {name: value for name, value in values.items() if value is not _UNSET}


def _fields(clazz: Any) -> _Fields:
    fields = _known.get(clazz)
    if fields is None:
        if issubclass(clazz, tuple):
            fields = _Fields(tuple(clazz._fields), ())
        else:
            from dataclasses import fields as fields_declared  # noqa: PLC0415 - see the module `frozen`

            all_fields = fields_declared(clazz)
            fields = _Fields(
                tuple(field.name for field in all_fields if field.init),
                tuple(field.name for field in all_fields if not field.init),
            )
        _known[clazz] = fields
    return fields


def build_dataclass(clazz: type, values: dict[str, Any]) -> object:
    """Return an object of a dataclass with the fields it was sent with.

    Raises:
        SerializeError: a field is missing, or the class refuses the values.
    """
    fields = _fields(clazz)
    try:
        result = clazz(
            **{name: values[name] for name in fields.given if name in values}
        )
        for name in fields.later:
            if name in values:
                # The class may be frozen.
                object.__setattr__(result, name, values[name])
    except Exception as error:
        raise _refused(clazz, error) from error
    return result


def build_named_tuple(clazz: Any, values: dict[str, Any]) -> object:
    """Return a NamedTuple with the fields it was sent with.

    Raises:
        SerializeError: a field is missing, or the class refuses the values.
    """
    try:
        return clazz(**{name: values[name] for name in clazz._fields if name in values})
    except Exception as error:
        raise _refused(clazz, error) from error


def build_member(clazz: type[Enum], name: object, value: object) -> Enum:
    """Return a member of an enumeration.

    Raises:
        SerializeError: there is no such member.
    """
    member = clazz.__members__.get(name) if isinstance(name, str) else None
    if member is not None and not issubclass(clazz, Flag):
        return member
    try:
        return clazz(value)
    except Exception as error:
        raise _refused(clazz, error) from error


def _refused(clazz: type, error: Exception) -> SerializeError:
    return SerializeError(
        f"cannot build {type_name(clazz)} of what was received;"
        f" {type(error).__name__}: {str(error)[:200]}"
    )
