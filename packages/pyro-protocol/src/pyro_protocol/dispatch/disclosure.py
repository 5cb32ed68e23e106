"""What of an exception leaves the server, where its traceback must not.

A traceback tells paths, lines of source and, where that is switched on, values of
variables; causes and notes tell how the server is made. What stays is the class, the
text and the attributes, which belong to what a method promises its callers.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from ..errors import PyroError, RemoteError
from ..serializers.exception_checks import field_values
from ..serializers.exception_forms import slot_values
from ..serializers.remote_errors import assemble

if TYPE_CHECKING:
    import uuid

__all__ = ["without_traceback"]

# They came with an exception from another server, or are for whoever reads its
# traceback.
_HIDDEN: Final = frozenset({"_pyroTraceback", "__notes__"})
_CONTAINERS: Final = frozenset({list, tuple, dict})


def without_traceback(error: Exception, reference: uuid.UUID | None) -> Exception:
    """Return an exception to send instead of one: the same without its traceback.

    The one that is given stays as it is: the program may have kept it.

    Args:
        error: the exception.
        reference: the correlation id under which the log of the server tells more.
    """
    result = _Copier().exception(error)
    result._pyroTraceback = [  # type: ignore[attr-defined] # documented
        f"(not sent; see the log of the server, correlation id {reference})\n"
    ]
    return result


class _Copier:
    """Copies exceptions, and the containers in which there may be others."""

    def __init__(self) -> None:
        # What was copied stays here with its copy, so that nothing gets its id.
        self._known: dict[int, tuple[object, Any]] = {}

    def exception(self, error: BaseException) -> Exception:
        """Return an exception of the same class, text and attributes."""
        # Its class may be made in any way; who called gets something at least.
        with contextlib.suppress(Exception):
            result = assemble(type(error), self._value(_parts(error)))
            if isinstance(result, Exception):
                self._known[id(error)] = error, result
                self._fill(result, error)
                return result
        try:
            text = str(error)
        except Exception as failure:  # noqa: BLE001 - an exception may fail to give a text
            text = f"<its text failed with {type(failure).__name__}>"
        return PyroError(f"{type(error).__module__}.{type(error).__qualname__}: {text}")

    def _fill(self, result: Exception, error: BaseException) -> None:
        """Give a copy the attributes of what it is a copy of."""
        fields, slots = dict(field_values(error)), dict(slot_values(error))
        for name, value in {**fields, **slots, **vars(error)}.items():
            # Python shows a second file name as soon as it has been set, to whatever.
            if name in _HIDDEN or value is None:
                continue
            with contextlib.suppress(Exception):
                Exception.__setattr__(result, name, self._value(value))
        if isinstance(error, RemoteError):
            known = {k: v for k, v in error.attributes.items() if k not in _HIDDEN}
            Exception.__setattr__(result, "attributes", self._value(known))

    def _value(self, value: Any) -> Any:
        """Return a value with copies of the exceptions in it."""
        if isinstance(value, BaseException):
            known = self._known.get(id(value))
            return self.exception(value) if known is None else known[1]
        if type(value) not in _CONTAINERS:
            return value
        if id(value) in self._known:
            return self._known[id(value)][1]
        copy: Any
        if type(value) is tuple:
            copy = tuple(map(self._value, value))
            self._known[id(value)] = value, copy
            return copy
        copy = type(value)()
        self._known[id(value)] = value, copy
        if type(value) is list:
            copy.extend(map(self._value, value))
        else:
            copy.update((key, self._value(one)) for key, one in value.items())
        return copy


def _parts(error: BaseException) -> tuple[Any, ...]:
    if isinstance(error, BaseExceptionGroup):
        return error.message, [*error.exceptions]
    return error.args
