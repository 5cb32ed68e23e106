"""Exceptions as dictionaries, and back: the known classes, and what others become.

The dictionary is the one Pyro5 sends: ``__class__``, ``__exception__``, ``args``
and ``attributes``, in this order. The native serializer adds ``chain`` and
``suppress_context`` where there is something to say.

Only classes in the tables here are ever built from received data. Everything
else arrives as `RemoteError`: classes that are unknown here, those whose
constructor refuses the arguments, and those that would not be an ``Exception``,
such as SystemExit, because a peer must not be able to end this program.
"""

from __future__ import annotations

import binascii
import builtins
import importlib
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .. import errors
from ..errors import PyroError, RemoteError, SerializeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CHAIN_LIMIT",
    "ExceptionWrapper",
    "exception_from_dict",
    "exception_to_dict",
    "is_exception_dict",
    "wire_name",
]

CHAIN_LIMIT: Final = 32
"""How many causes and contexts of one exception travel; a traceback with more of
them tells nobody anything, and a peer could send endless ones."""

_PYRO_PREFIX: Final = "Pyro5.errors."
_PYRO_NAMES: Final = (
    "PyroError",
    "CommunicationError",
    "ConnectionClosedError",
    "TimeoutError",
    "ProtocolError",
    "MessageTooLargeError",
    "NamingError",
    "DaemonError",
    "SecurityError",
    "SerializeError",
)
_SQLITE_NAMES: Final = frozenset(
    {
        "DataError",
        "DatabaseError",
        "Error",
        "IntegrityError",
        "InterfaceError",
        "InternalError",
        "NotSupportedError",
        "OperationalError",
        "ProgrammingError",
    }
)


# args are given to the constructor. The outcome of a call that the remote object
# made itself says nothing about the call that raised the exception here.
_REFUSED_ATTRIBUTES: Final = frozenset({"args", "outcome"})


@dataclass(frozen=True, slots=True)
class ExceptionWrapper:
    """An exception as an element of a batch result: to be raised, not returned."""

    exception: BaseException


def _known_exceptions() -> dict[str, type[Exception]]:
    known: dict[str, type[Exception]] = {"struct.error": struct.error}
    for name, value in vars(builtins).items():
        if isinstance(value, type) and issubclass(value, Exception):
            for prefix in ("", "builtins.", "exceptions."):
                known[prefix + name] = value
    # After the builtin ones: without a module TimeoutError is Pyro's.
    for name in _PYRO_NAMES:
        known[name] = known[_PYRO_PREFIX + name] = getattr(errors, name)
    for name in errors.__all__:
        value = getattr(errors, name)
        if (
            isinstance(value, type)
            and issubclass(value, PyroError)
            and value is not RemoteError
        ):
            known[f"{errors.__name__}.{name}"] = value
    return known


_KNOWN: Final = _known_exceptions()
_WIRE_NAMES: Final[dict[type[BaseException], str]] = {
    _KNOWN[_PYRO_PREFIX + name]: _PYRO_PREFIX + name for name in _PYRO_NAMES
}


def wire_name(clazz: type[BaseException]) -> str:
    """Return the name under which an exception class travels.

    Our own errors travel as the nearest class that Pyro5 has.
    """
    if clazz.__module__ == errors.__name__:
        for base in clazz.__mro__:
            if base in _WIRE_NAMES:
                return _WIRE_NAMES[base]
    return f"{clazz.__module__}.{clazz.__name__}"


def exception_to_dict(error: BaseException, *, native: bool = False) -> dict[str, Any]:
    """Return the dictionary form of an exception.

    Args:
        error: the exception. A `RemoteError` becomes what it was received as.
        native: whether the reader is of our own family: then our own error
            classes keep their names, and causes and contexts go with it.
    """
    result = _one_to_dict(error, native=native)
    if native:
        chain = [
            {"link": link, **_one_to_dict(linked, native=True)}
            for link, linked in _chain_of(error)
        ]
        if chain:
            result["chain"] = chain
        if error.__suppress_context__ and error.__cause__ is None:
            result["suppress_context"] = True
    return result


def _one_to_dict(error: BaseException, *, native: bool) -> dict[str, Any]:
    attributes = dict(vars(error))
    if type(error) is RemoteError:
        for name in ("remote_type", "attributes"):
            attributes.pop(name, None)
        attributes = {**error.attributes, **attributes}
        name = error.remote_type or wire_name(PyroError)
    elif native and type(error).__module__ == errors.__name__:
        name = f"{errors.__name__}.{type(error).__name__}"
    else:
        name = wire_name(type(error))
    attributes.update(_hidden_attributes(error))
    return {
        "__class__": name,
        "__exception__": True,
        "args": error.args,
        "attributes": attributes,
    }


def _hidden_attributes(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield what builtin exceptions keep neither in args nor among their variables."""
    if isinstance(error, OSError):
        for name in ("filename", "filename2"):
            value = getattr(error, name)
            if isinstance(value, bytes | os.PathLike):
                value = os.fsdecode(value)
            if isinstance(value, str | int):
                yield name, value
    elif isinstance(error, ImportError):
        for name in ("name", "path"):
            value = getattr(error, name)
            if isinstance(value, str):
                yield name, value


def _chain_of(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """Yield what Python would print above ``error``, nearest first."""
    seen = {id(error)}
    for _ in range(CHAIN_LIMIT):
        link, linked = "cause", error.__cause__
        if linked is None and not error.__suppress_context__:
            link, linked = "context", error.__context__
        if linked is None or id(linked) in seen:
            return
        seen.add(id(linked))
        yield link, linked
        error = linked


def is_exception_dict(name: str, data: dict[Any, Any]) -> bool:
    """Tell whether the dictionary of class ``name`` stands for an exception."""
    return (
        data.get("__exception__") is True
        or name.startswith(_PYRO_PREFIX)
        or name == "struct.error"
    )


def exception_from_dict(
    name: str, data: dict[Any, Any], inner: Callable[[Any], Any]
) -> Exception:
    """Return the exception that a dictionary stands for.

    Args:
        name: the text of its ``__class__``.
        data: the dictionary.
        inner: what turns the dictionaries inside into objects.

    Raises:
        SerializeError: the dictionary does not have the form of an exception.
    """
    error = _one_from_dict(name, data, inner)
    chain = data.get("chain")
    if chain is not None:
        _link(error, chain, inner)
    if data.get("suppress_context") is True:
        error.__suppress_context__ = True
    return error


def _link(error: Exception, chain: Any, inner: Callable[[Any], Any]) -> None:
    if not isinstance(chain, list) or len(chain) > CHAIN_LIMIT:
        raise SerializeError(
            f"malformed exception; its chain must be a list of at most {CHAIN_LIMIT}"
        )
    for data in chain:
        name = data.get("__class__") if isinstance(data, dict) else None
        if not isinstance(name, str):
            raise SerializeError("malformed exception; a link in its chain is none")
        linked = _one_from_dict(name, data, inner)
        if data.get("link") == "cause":
            error.__cause__ = linked
        else:
            error.__context__ = linked
        error = linked


def _one_from_dict(
    name: str, data: dict[Any, Any], inner: Callable[[Any], Any]
) -> Exception:
    args = inner(data.get("args", ()))
    attributes = inner(data.get("attributes") or {})
    if not isinstance(args, list | tuple):
        raise SerializeError("malformed exception; its args must be a sequence")
    if not isinstance(attributes, dict):
        raise SerializeError("malformed exception; its attributes must be a mapping")
    attributes = {key: value for key, value in attributes.items() if type(key) is str}
    error = _build(_find(name), tuple(args))
    if error is None:
        error = RemoteError(*args, remote_type=name, attributes=attributes)
        attributes = {
            key: attributes[key]
            for key in ("_pyroTraceback", "__notes__")
            if key in attributes
        }
    for key, value in attributes.items():
        if _is_acceptable(key, value):
            try:
                setattr(error, key, value)
            except (AttributeError, TypeError, ValueError):
                # Some classes have attributes that cannot be set; the exception
                # itself matters more to the caller than these.
                continue
    return error


def _find(name: str) -> type[Exception] | None:
    clazz = _KNOWN.get(name)
    if clazz is None and name.startswith("sqlite3."):
        last = name.removeprefix("sqlite3.")
        if last in _SQLITE_NAMES:
            # Python can be built without it.
            try:
                clazz = getattr(importlib.import_module("sqlite3"), last)
            except ImportError:
                return None
    return clazz


def _build(clazz: type[Exception] | None, args: tuple[Any, ...]) -> Exception | None:
    if clazz is None:
        return None
    try:
        if clazz is UnicodeDecodeError:
            args = tuple(map(_bytes_of_serpent, args))
        return clazz(*args)
    except Exception:  # noqa: BLE001 - the arguments are the peer's
        return None


def _bytes_of_serpent(value: object) -> object:
    """Return the bytes that a serpent dictionary stands for, or else the value."""
    if isinstance(value, dict) and value.get("encoding") == "base64":
        data = value.get("data")
        if isinstance(data, str):
            return binascii.a2b_base64(data)
    return value


def _is_acceptable(key: str, value: object) -> bool:
    """Tell whether a peer may set this attribute of an exception."""
    if key == "__notes__":
        return isinstance(value, list) and all(isinstance(note, str) for note in value)
    return not key.startswith("__") and key not in _REFUSED_ATTRIBUTES
