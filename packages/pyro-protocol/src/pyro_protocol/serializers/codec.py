"""What every serializer offers, and the error that each of its failures becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..errors import SecurityError, SerializeError
from ..frozen import NamedTuple
from ..wire.frame import SplitPayload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..wire.frame import Payload

__all__ = [
    "Buffer",
    "Call",
    "Dialect",
    "Serializer",
    "check_call",
    "dialect",
    "type_name",
    "unknown_as_dict",
]

unknown_as_dict: Final[ContextVar[bool]] = ContextVar("unknown_as_dict", default=False)
"""Whether what is of an unknown class is read as a dictionary, whatever the
configuration says."""


class Dialect(NamedTuple):
    """What a family of peers calls the classes of the wire.

    Attributes:
        written: returns a class dictionary with Pyro5's names as such a peer has it.
        read: returns a class dictionary of such a peer, given with the name of its
            class, with Pyro5's names.
    """

    written: Callable[[dict[str, Any]], dict[str, Any]]
    read: Callable[[dict[Any, Any], str], dict[Any, Any]]


dialect: Final[ContextVar[Dialect | None]] = ContextVar("dialect", default=None)
"""What classes are called in what is being read or written; None is as in Pyro5."""

Buffer = bytes | bytearray | memoryview
"""What serializers read: bytes, or anything that shows them without a copy."""

Call = tuple[str, str, "Sequence[Any]", "dict[str, Any] | None"]
"""A decoded call: object id, method name, positional and keyword arguments."""


class Serializer(ABC):
    """Turns values into bytes and back; one object serves all threads.

    A subclass writes ``_encode`` and ``_decode``, and where its calls have a form
    of their own ``_encode_call`` and ``_decode_call`` too. They may raise what
    they like: it reaches the caller as SerializeError, with the cause.

    Attributes:
        name: what the configuration calls it.
        id: the number in the message header.
    """

    name: ClassVar[str]
    id: ClassVar[int]

    def dumps(self, value: object) -> bytes:
        """Return ``value`` as bytes.

        Raises:
            SerializeError: the value holds something that cannot travel.
        """
        try:
            return self._encode(value)
        except (SerializeError, SecurityError, MemoryError):
            raise
        except Exception as error:
            raise self._encode_error(value, error) from error

    def dumps_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        """Return a call as bytes.

        ``kwargs`` is None where the protocol wants no keyword part: attribute
        access and batches.

        Raises:
            SerializeError: an argument holds something that cannot travel.
        """
        try:
            return self._encode_call(object_id, method, args, kwargs)
        except (SerializeError, SecurityError, MemoryError):
            raise
        except Exception as error:
            raise self._encode_error((*args, kwargs), error) from error

    def encode(self, value: object) -> bytes | SplitPayload:
        """Return ``value`` as a payload, whose large buffers may stand apart.

        What can be changed in the value must not be until the payload is sent: a
        buffer that stands apart is not copied. Only the native format has them.

        Raises:
            SerializeError: the value holds something that cannot travel.
        """
        return self.dumps(value)

    def encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes | SplitPayload:
        """Return a call as a payload, whose large buffers may stand apart.

        As with `encode`, arguments must not be changed until the payload is sent.

        Raises:
            SerializeError: an argument holds something that cannot travel.
        """
        return self.dumps_call(object_id, method, args, kwargs)

    def loads(self, data: Payload) -> Any:
        """Return the value that ``data`` holds.

        Raises:
            SerializeError: the bytes are malformed, nested too deeply, or name a
                class that is not known here; or buffers stand apart from them that
                the format does not have.
            SecurityError: they name a class that is never built.
        """
        try:
            return self._decode(data if type(data) is bytes else self._whole(data))
        except (SerializeError, SecurityError):
            raise
        except Exception as error:
            raise self._decode_error(error) from error

    def loads_exception(self, data: Payload) -> Any:
        """Return the exception that ``data`` holds, or what it holds instead.

        What arguments and attributes hold of classes that are not known here comes
        as dictionaries: an exception must not be lost for that.

        Raises:
            SerializeError: as `loads`.
            SecurityError: as `loads`.
        """
        try:
            return self.loads(data)
        except (SerializeError, SecurityError):
            token = unknown_as_dict.set(True)
            try:
                value = self.loads(data)
            finally:
                unknown_as_dict.reset(token)
            if not isinstance(value, Exception):
                raise
            return value

    def loads_call(self, data: Payload) -> Call:
        """Return the call that ``data`` holds, its shape checked.

        Raises:
            SerializeError: as `loads`, or the value is not a call.
            SecurityError: as `loads`.
        """
        try:
            whole = data if type(data) is bytes else self._whole(data)
            return check_call(self._decode_call(whole))
        except (SerializeError, SecurityError):
            raise
        except Exception as error:
            raise self._decode_error(error) from error

    def _whole(self, data: Payload) -> Buffer:
        if isinstance(data, SplitPayload):
            raise SerializeError(
                f"malformed {self.name} data; buffers stand apart from it, which only"
                " the native format has"
            )
        return data

    @abstractmethod
    def _encode(self, value: object) -> bytes: ...

    @abstractmethod
    def _decode(self, data: Buffer) -> Any: ...

    def _encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        return self._encode((object_id, method, args, kwargs))

    def _decode_call(self, data: Buffer) -> Any:
        return self._decode(data)

    def _encode_error(self, value: object, error: Exception) -> SerializeError:
        return SerializeError(
            f"cannot serialize {type_name(type(value))} with {self.name};"
            f" {_describe(error)}"
        )

    def _decode_error(self, error: Exception) -> SerializeError:
        return SerializeError(f"malformed {self.name} data; {_describe(error)}")


_SEQUENCES: Final = frozenset({list, tuple})
_NAMES: Final = frozenset({str})
_CALL_PARTS: Final = 4


def check_call(call: Any) -> Call:
    """Return the parts of ``call`` if it has the shape of a call.

    Raises:
        SerializeError: it does not.
    """
    # Every call passes here, so what is right is told by one condition.
    if type(call) in _SEQUENCES and len(call) == _CALL_PARTS:
        object_id, method, args, kwargs = call
        if (
            type(object_id) is str
            and type(method) is str
            and type(args) in _SEQUENCES
            and (
                kwargs is None
                or (
                    type(kwargs) is dict
                    and (not kwargs or _NAMES.issuperset(map(type, kwargs)))
                )
            )
        ):
            return object_id, method, args, kwargs
    raise SerializeError(
        "malformed call; it must be a sequence of object id, method name, arguments,"
        " and keyword arguments or None"
    )


def type_name(kind: type) -> str:
    """Return the name of a class as people write it: ``module.Class``."""
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


# How Python and the libraries say that a value is too deep for them.
_TOO_DEEP: Final = (
    "Circular reference",
    "RecursionError",
    "StackError",
    "recursion limit",
    "too deeply nested",
)


def _describe(error: Exception) -> str:
    # An error may quote the whole input.
    text = str(error)[:200]
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if any(words in text for words in _TOO_DEEP):
        return "it is nested too deeply, or contains itself"
    if isinstance(error, UnicodeEncodeError):
        around = error.object[max(error.start - 10, 0) : error.end + 10]
        return (
            f"the text {around!r} cannot be written as {error.encoding},"
            f" {error.reason}; send bytes, or replace what stands there"
        )
    return text
