"""The pickle family as Pyro4 uses it, for programs that have asked for it.

**Whoever sends such data can run any code in the program that reads it**; see
``serializers.pickled``. Pyro4's classes are named in the data by their modules. There
is no such module here, so others stand in for them on both ways.
"""

from __future__ import annotations

import pickle
import pickletools
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from .. import errors
from ..errors import SerializeError
from ..serializers.exception_names import PYRO_PREFIX, wire_name
from ..serializers.exceptions import ExceptionWrapper
from ..serializers.pickled import (
    CloudpickleSerializer,
    DillSerializer,
    PickleSerializer,
)
from ..serializers.wire_classes import CLASS_KEY, WIRE_CLASSES, wire_form
from ..uri import URI
from .class_names import own_form, pyro4_form

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..serializers import Buffer

__all__ = ["pyro4_pickled", "read_plain_pickle"]

_PROTOCOL: Final = 2
"""What the Pythons read that Pyro4 runs with, version 2.7 too."""

_CODE_PROTOCOL: Final = 4
"""For those that send code, which only the same version of Python reads anyway."""

# What may be in a handshake: nothing that names a class, calls anything, or refers to
# a place in the memory of the reader far beyond what it has written there.
_STEP_NAMES: Final = (
    "PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT "
    "BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES "
    "BINBYTES8 EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 "
    "TUPLE3 EMPTY_DICT DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET "
    "MEMOIZE BINPUT BINGET GET LONG_BINGET"
)
_PLAIN_STEPS: Final = frozenset(_STEP_NAMES.split())

# Nobody's references: most of what there is in most values.
_PLAIN: Final = (
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
)
_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})


def read_plain_pickle(data: Buffer) -> Any:
    """Return the value of a pickle that holds plain values only.

    Reading it runs nobody's code: what would is refused before anything is read.

    Raises:
        SerializeError: it holds something else, or is malformed.
    """
    content = bytes(data)
    try:
        steps = {
            step.name for step, _argument, _position in pickletools.genops(content)
        }
        value = None if steps - _PLAIN_STEPS else pickle.loads(content)  # noqa: S301 - plain
    except Exception as error:
        raise SerializeError(
            f"malformed pickle data; {type(error).__name__}: {str(error)[:200]}"
        ) from error
    if steps - _PLAIN_STEPS:
        raise SerializeError(
            "a pickled handshake can hold plain values only, such as texts, numbers, "
            f"lists and dictionaries; this one has {', '.join(steps - _PLAIN_STEPS)}"
        )
    return value


class _Module:
    """Stands for a module that only the reader has."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.name,)


class _Global:
    """Stands for a class that only the reader has."""

    def __init__(self, name: str) -> None:
        self.module, _, self.name = name.rpartition(".")

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (_Module(self.module), self.name)

    def __call__(self, *args: object) -> object:
        """Do nothing: it is called by the reader, and has to look as if it could be."""


class _Instance:
    """Stands for an object whose class only the reader has."""

    def __init__(self, name: str, state: object) -> None:
        self.name = name
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        return _reconstructor, (_Global(self.name), object, None), self.state


# What protocol 2 makes ordinary objects with, in any Python.
_reconstructor: Final[Any] = vars(import_module("copyreg"))["_reconstructor"]


class _Pyro4Pickler:
    """Writes what Pyro4 has classes of its own for; combined with a library's."""

    def reducer_override(self, obj: object) -> Any:
        """Return how an object is written where it is not as the library does."""
        reduced = None if isinstance(obj, _PLAIN) else _reduced(obj)
        if reduced is not None:
            return reduced
        inherited = getattr(super(), "reducer_override", None)
        return NotImplemented if inherited is None else inherited(obj)


def _reduced(obj: object) -> tuple[Any, ...] | None:
    if isinstance(obj, BaseException):
        name = wire_name(type(obj))
        if not name.startswith(PYRO_PREFIX):
            return None
        theirs = pyro4_form({CLASS_KEY: name})[CLASS_KEY]
        return _Global(theirs), obj.args, dict(vars(obj))
    form = wire_form(obj, "pickle")
    if form is None:
        return None
    form = pyro4_form(form)
    name = form[CLASS_KEY]
    if isinstance(obj, ExceptionWrapper):
        return _Instance(name, {"exception": obj.exception}).__reduce__()
    if isinstance(obj, URI):
        protocol, tags, *rest = form["state"]
        kept = tags if isinstance(tags, str) else set(tags)
        return _Instance(name, (protocol, kept, *rest)).__reduce__()
    uri, oneway, methods, attributes, *rest = form["state"]
    state = (URI(uri), set(oneway), set(methods), set(attributes), *rest)
    return _Instance(name, state).__reduce__()


class _Received:
    """What a pickle makes of one of Pyro4's objects, before it becomes one of ours."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _ReceivedUri(_Received):
    """A URI that was received."""


class _ReceivedProxy(_Received):
    """A proxy that was received."""


_RECEIVED: Final[dict[tuple[str, str], type[_Received]]] = {
    ("Pyro4.core", "URI"): _ReceivedUri,
    ("Pyro4.core", "Proxy"): _ReceivedProxy,
}


class _Pyro4Unpickler:
    """Reads what Pyro4 has classes of its own for; combined with a library's."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a global name in the data."""
        received = _RECEIVED.get((module, name))
        if received is not None:
            return received
        if module == "Pyro4.errors" and name in errors.__all__:
            return getattr(errors, name)
        return super().find_class(module, name)  # type: ignore[misc] # the library's


def _own(value: Any) -> Any:
    """Return a value with the URIs and proxies of Pyro4 in it as ours.

    What objects of the program keep to themselves stays as it is.
    """
    kind = type(value)
    if isinstance(value, _ReceivedUri):
        return _build("Pyro4.core.URI", value.state)
    if isinstance(value, _ReceivedProxy):
        state = value.state
        if isinstance(state, tuple) and state:
            uri = _own(state[0])
            state = (str(uri), *state[1:])
        return _build("Pyro4.core.Proxy", state)
    if kind not in _CONTAINERS:
        return value
    if kind is dict:
        return {_own(key): _own(one) for key, one in value.items()}
    return kind(map(_own, value))


def _build(name: str, state: object) -> Any:
    form = own_form({CLASS_KEY: name, "state": state}, name)
    return WIRE_CLASSES[form[CLASS_KEY]](form, _own)


class _Pyro4Pickled(PickleSerializer):
    """What the serializers of the family have in common here."""

    _protocol: int = _PROTOCOL

    def __init__(self) -> None:
        library = self._library()
        # A library's classes cannot be derived from before it is imported.
        self._pickler: Callable[[BytesIO, int], Any] = type(
            "_Pickler", (_Pyro4Pickler, library.Pickler), {}
        )
        unpickler = getattr(library, "Unpickler", pickle.Unpickler)
        self._unpickler: Callable[[BytesIO], Any] = type(
            "_Unpickler", (_Pyro4Unpickler, unpickler), {}
        )

    def _encode(self, value: object) -> bytes:
        file = BytesIO()
        self._pickler(file, self._protocol).dump(value)
        return file.getvalue()

    def _decode(self, data: Buffer) -> Any:
        return _own(super()._decode(data))


class _Pyro4Pickle(_Pyro4Pickled, PickleSerializer):
    """Python's own pickle."""


class _Pyro4Cloudpickle(_Pyro4Pickled, CloudpickleSerializer):
    """The cloudpickle library."""

    _protocol = _CODE_PROTOCOL


class _Pyro4Dill(_Pyro4Pickled, DillSerializer):
    """The dill library."""

    _protocol = _CODE_PROTOCOL


_KINDS: Final = {
    "pickle": _Pyro4Pickle,
    "cloudpickle": _Pyro4Cloudpickle,
    "dill": _Pyro4Dill,
}


def pyro4_pickled(name: str) -> PickleSerializer:
    """Return a serializer of the pickle family as Pyro4 has it.

    Raises:
        SerializeError: its library is missing.
    """
    return _KINDS[name]()
