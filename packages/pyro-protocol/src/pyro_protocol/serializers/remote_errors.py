"""Making exceptions out of received parts, and `RemoteError` with a known base.

No constructor that is written in Python runs: its parameters are not known, and
need not be those in ``args``. An exception is made by the interpreter's own part of
its class, which gets ``args``; its variables are set afterwards.

An exception of an unknown class whose base is known becomes an instance of a class
that is both, `RemoteError` and that base, so that ``except ValueError`` catches what
is a ValueError on the other side.
"""

from __future__ import annotations

from functools import lru_cache
from types import BuiltinMethodType, WrapperDescriptorType
from typing import Any, Final, TypeVar, cast

from .. import errors
from ..errors import RemoteError
from .exception_checks import field_values

__all__ = ["CLASSES_LIMIT", "assemble", "remote_class"]

CLASSES_LIMIT: Final = 1000
"""How many combined classes are kept. All that the standard library has are a few
hundred; a program with more makes classes dynamically, and those must not be kept
alive for ever."""

_Error = TypeVar("_Error", bound=BaseException)


def assemble(clazz: type[_Error], args: tuple[Any, ...]) -> _Error:
    """Return an exception with these ``args``, made without running Python code.

    Raises:
        Exception: the class does not take the arguments.
    """
    error = _interpreters_own(clazz, "__new__", BuiltinMethodType)(clazz, *args)
    _interpreters_own(clazz, "__init__", WrapperDescriptorType)(error, *args)
    return cast("_Error", error)


def _interpreters_own(clazz: type, name: str, kind: type) -> Any:
    base: type | None = clazz
    while base is not None:
        method = vars(base).get(name)
        if isinstance(method, kind):
            return method
        base = base.__base__
    raise TypeError(f"{clazz!r} has no {name} of its own")


def remote_class(base: type[Exception]) -> type[RemoteError]:
    """Return the class that is `RemoteError` and ``base`` at once.

    Where there can be no such class, it is `RemoteError` alone.

    Args:
        base: an exception class that can be received.
    """
    return _combined(base)  # type: ignore[arg-type] # classes are hashable


@lru_cache(maxsize=CLASSES_LIMIT)
def _combined(base: type[Any]) -> type[RemoteError]:
    if issubclass(RemoteError, base):
        return RemoteError
    namespace = {
        "__module__": errors.__name__,
        "__doc__": f"A remote exception of an unknown class derived from {base!r}.",
        "__reduce__": _reduce,
    }
    try:
        return type(f"RemoteError[{base.__name__}]", (RemoteError, base), namespace)
    except Exception:  # noqa: BLE001 - a program's class may refuse subclasses
        return RemoteError


def _reduce(error: RemoteError) -> tuple[object, ...]:
    """Return how such an object is pickled and copied: its class has no name."""
    # Python shows a second file name as soon as it has been set, to whatever.
    fields = {name: value for name, value in field_values(error) if value is not None}
    state = {**vars(error), **fields}
    return _restore, (type(error).__bases__[1], error.args), state


def _restore(base: type[Exception], args: tuple[Any, ...]) -> RemoteError:
    return assemble(remote_class(base), args)
