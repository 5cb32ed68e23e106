"""What a peer may give to the constructors of exceptions, and to their attributes.

Most exceptions only keep their arguments. Some look into them: they go through an
argument as far as it reaches, which a range of a few bytes or a proxy to somewhere
else abuses, or remember positions with which their text is later looked up without
a check, which can crash the interpreter. The same attributes can be set later, and
so can methods and properties. When an exception is printed, Python looks into its
attributes again, and even imports the module named by ``name`` if an ImportError
has ``name_from``.
"""

from __future__ import annotations

import os
from types import GetSetDescriptorType, MemberDescriptorType, NoneType
from typing import TYPE_CHECKING, Any, Final

from ..errors import CommunicationError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "PLACE_LIMIT",
    "acceptable_arguments",
    "acceptable_attribute",
    "field_values",
    "is_field",
]

PLACE_LIMIT: Final = 1_000_000
"""The largest line number or column of a SyntaxError. No source file is larger, and
when the error is printed, Python marks as many columns as it is told to."""

_TEXT: Final = (str, NoneType)
_NUMBER: Final = (int, NoneType)
_FILE: Final = (str, bytes, int, os.PathLike, NoneType)
_ANY: Final = (object,)

# In the order in which a SyntaxError takes its details.
_DETAILS: Final[dict[str, tuple[type, ...]]] = {
    "filename": _TEXT,
    "lineno": _NUMBER,
    "offset": _NUMBER,
    "text": _TEXT,
    "end_lineno": _NUMBER,
    "end_offset": _NUMBER,
}
_UNICODE: Final[dict[str, tuple[type, ...]]] = {
    "start": (int,),
    "end": (int,),
    "reason": (str,),
}
_PLACES: Final = frozenset(
    {"lineno", "offset", "end_lineno", "end_offset", "start", "end"}
)

# What builtin exceptions keep outside of args and variables, and what it may be. The
# object whose attribute was missing is no part of an error, and may be anything.
_FIELDS: Final[dict[type[BaseException], dict[str, tuple[type, ...]]]] = {
    AttributeError: {"name": _TEXT},
    ImportError: {"msg": _TEXT, "name": _TEXT, "path": _TEXT},
    NameError: {"name": _TEXT},
    OSError: {
        "errno": (int, str, NoneType),
        "strerror": _TEXT,
        "filename": _FILE,
        "filename2": _FILE,
        "winerror": _NUMBER,
        "characters_written": _NUMBER,
    },
    StopIteration: {"value": _ANY},
    SyntaxError: {"msg": _TEXT, **_DETAILS},
    SystemExit: {"code": _ANY},
    UnicodeDecodeError: {"encoding": (str,), **_UNICODE},
    UnicodeEncodeError: {"encoding": (str,), **_UNICODE},
    UnicodeTranslateError: _UNICODE,
}

_WITH_FIELDS: Final = tuple(_FIELDS)

_REMOTE_NAMES: Final = frozenset({"attributes", "remote_bases", "remote_type"})


def field_values(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield name and value of what an exception keeps outside of args and variables.

    What does not have one of the types expected there is left out.
    """
    if not isinstance(error, _WITH_FIELDS):
        return
    for base, fields in _FIELDS.items():
        if isinstance(error, base):
            for name, types in fields.items():
                descriptor = vars(base).get(name)
                try:
                    value = descriptor.__get__(error)  # type: ignore[union-attr] # below
                except AttributeError:
                    # Not on this system, or not set.
                    continue
                if isinstance(value, types):
                    yield name, value


def is_field(error: BaseException, name: str) -> bool:
    """Tell whether an attribute is kept outside of args and variables.

    Such a one is None if it is not there; one that has been set to None is shown.
    """
    return any(
        name in fields and isinstance(error, base) for base, fields in _FIELDS.items()
    )


def acceptable_arguments(clazz: type[BaseException], args: tuple[Any, ...]) -> bool:
    """Tell whether an exception class may be given these arguments of a peer."""
    if issubclass(clazz, UnicodeError):
        # Its text is read at these places of its object, also if they are before it.
        return not any(isinstance(one, int) and one < 0 for one in args)
    if issubclass(clazz, SyntaxError):
        return all(isinstance(one, _TEXT) for one in args[:1]) and all(
            isinstance(details, list | tuple)
            and len(details) <= len(_DETAILS)
            and all(map(_fits, _DETAILS, details, _DETAILS.values()))
            for details in args[1:]
        )
    if issubclass(clazz, BaseExceptionGroup):
        return all(isinstance(members, list | tuple) for members in args[1:])
    return True


def _fits(name: str, value: object, types: tuple[type, ...]) -> bool:
    """Tell whether a value may be in a field that the interpreter works with."""
    if not isinstance(value, types):
        return False
    return (
        name not in _PLACES
        or not isinstance(value, int)
        or 0 <= value <= PLACE_LIMIT
        # A SyntaxError without a known end.
        or (value == -1 and name in _DETAILS)
    )


def acceptable_attribute(error: BaseException, name: str, value: object) -> bool:
    """Tell whether a peer may set this attribute of an exception.

    What is an ordinary variable may be set; a method or a property may not, and of
    those that the interpreter itself works with only what is of the right type.
    """
    if name == "__notes__":
        return isinstance(value, list) and all(isinstance(note, str) for note in value)
    if name.startswith("__") or _has_meaning(error, name):
        return False
    for base in type(error).__mro__:
        if name not in vars(base):
            continue
        found = vars(base)[name]
        kind = type(found)
        if kind is MemberDescriptorType or kind is GetSetDescriptorType:
            if base.__module__ != "builtins":
                # A slot.
                return True
            types = _FIELDS.get(base, {}).get(name)
            return types is not None and _fits(name, value, types)
        return not callable(found) and not hasattr(kind, "__get__")
    return True


def _has_meaning(error: BaseException, name: str) -> bool:
    """Tell whether an attribute says something about this side."""
    # args are given to the constructor. The outcome of a call that the remote object
    # made itself says nothing about the call that raised the exception here.
    return (
        name == "args"
        or (name == "outcome" and isinstance(error, CommunicationError))
        or (name == "name_from" and isinstance(error, ImportError))
        or (name in _REMOTE_NAMES and isinstance(error, RemoteError))
    )
