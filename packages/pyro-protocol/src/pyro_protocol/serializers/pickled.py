"""The pickle family, for programs that ask for it: pickle, cloudpickle and dill.

**Whoever sends such data can run any code in the program that reads it.** So they are
in none of the tables of serializers; `opted_in` gives one to a program that has
named it: a server in SERIALIZERS_ACCEPTED, a client in SERIALIZER or for a proxy.
Handshakes are never written with them.

Registered objects and proxies travel as references, exceptions with their causes
and contexts. ``pickle`` finds classes by their names; the other two also send the
code of what cannot be found so, such as lambdas and classes of the main program.
"""

from __future__ import annotations

import pickle
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..errors import SerializeError
from ..uri import URI
from .codec import Buffer, Serializer
from .exceptions import ExceptionWrapper
from .opt_in import PICKLED_IDS
from .wire_classes import CLASS_KEY, WIRE_CLASSES, wire_form

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["CloudpickleSerializer", "DillSerializer", "PickleSerializer"]

_PROTOCOL: Final = 5
"""What every Python since 3.8 reads, whatever later ones can write."""

# What is no reference for certain: most of what there is in most values. A class is
# one of these because it is written with each of its instances.
_NO_REFERENCES: Final = (
    type,
    bool,
    bytes,
    dict,
    float,
    int,
    list,
    set,
    str,
    tuple,
    type(None),
    BaseException,
    ExceptionWrapper,
    URI,
)


class PickleSerializer(Serializer):
    """Python's own pickle; runs any code that its data asks for."""

    name = "pickle"
    id: ClassVar[int] = PICKLED_IDS["pickle"]

    def __init__(self) -> None:
        library = self._library()
        # A library's classes cannot be derived from before it is imported.
        self._pickler: Callable[[BytesIO, int], Any] = type(
            "_Pickler", (_ReferencePickler, library.Pickler), {}
        )
        unpickler = getattr(library, "Unpickler", pickle.Unpickler)
        self._unpickler: Callable[[BytesIO], Any] = type(
            "_Unpickler", (_ReferenceUnpickler, unpickler), {}
        )

    def _library(self) -> Any:
        try:
            return import_module(self.name)
        except ImportError as error:
            raise SerializeError(
                f"the serializer {self.name!r} needs a library that is missing; "
                "install it with: pip install 'pyro-protocol[pickle]'"
            ) from error

    def _encode(self, value: object) -> bytes:
        file = BytesIO()
        self._pickler(file, _PROTOCOL).dump(value)
        return file.getvalue()

    def _encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        keywords = None if kwargs is None else dict(kwargs)
        return self._encode((object_id, method, tuple(args), keywords))

    def _decode(self, data: Buffer) -> Any:
        try:
            return self._unpickler(BytesIO(data)).load()
        except (SystemExit, GeneratorExit) as error:
            raise SerializeError(
                f"malformed {self.name} data; reading it raised {type(error).__name__}"
            ) from error


class CloudpickleSerializer(PickleSerializer):
    """The cloudpickle library: sends the code of functions and local classes."""

    name = "cloudpickle"
    id: ClassVar[int] = PICKLED_IDS["cloudpickle"]


class DillSerializer(PickleSerializer):
    """The dill library: sends the code of functions and local classes."""

    name = "dill"
    id: ClassVar[int] = PICKLED_IDS["dill"]


class _ReferencePickler:
    """Writes references and exceptions; to be combined with a library's pickler."""

    def persistent_id(self, obj: object) -> dict[str, Any] | None:
        """Return what is written instead of an object, or None."""
        return None if isinstance(obj, _NO_REFERENCES) else wire_form(obj, "pickle")

    def reducer_override(self, obj: object) -> Any:
        """Return how an object is written where it is not as the library does."""
        if isinstance(obj, BaseException):
            return _reduced(obj)
        inherited = getattr(super(), "reducer_override", None)
        return NotImplemented if inherited is None else inherited(obj)


class _ReferenceUnpickler:
    """Reads references; to be combined with a library's unpickler."""

    def persistent_load(self, form: Any) -> object:
        """Return the proxy, or the state of it, that stands in a value."""
        return WIRE_CLASSES[form[CLASS_KEY]](form, _as_it_is)


def _as_it_is(value: Any) -> Any:
    return value


def _reduced(error: BaseException) -> tuple[Any, ...]:
    """Return how an exception is written: as it wants, and with what led to it."""
    reduced: Any = error.__reduce_ex__(_PROTOCOL)
    make, args, *rest = reduced
    state = (
        rest[0] if rest else None,
        error.__cause__,
        error.__context__,
        error.__suppress_context__,
    )
    return _make_exception, (make, args), state, None, None, _set_exception


# The two functions below are named in the data, so that their names are part of the
# format.
def _make_exception(make: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return make(*args)
    except Exception:
        # Its constructor wants other arguments than those it gives its base.
        if isinstance(make, type) and issubclass(make, BaseException):
            return make.__new__(make, *args)
        raise


def _set_exception(error: BaseException, state: tuple[Any, ...]) -> None:
    attributes, cause, context, suppress = state
    if attributes is not None:
        error.__setstate__(attributes)
    error.__cause__ = cause
    error.__context__ = context
    error.__suppress_context__ = suppress
