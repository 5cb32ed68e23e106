"""The fixed table of class names on the wire, and the objects they stand for.

Whatever the classes are called here, on the wire they have the names of Pyro5.
Builders check every field of the state they get.

References are made and found by a layer above this one; it says how with
`set_reference_hooks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from typing import Any, Final

from ..errors import PyroError, SerializeError
from ..uri import URI
from .exceptions import ExceptionWrapper, exception_to_dict
from .limits import check_hashes

__all__ = [
    "CLASS_KEY",
    "SERPENT_CLASSES",
    "WIRE_CLASSES",
    "Inner",
    "ReferenceState",
    "lease_of",
    "set_reference_hooks",
    "wire_form",
]

CLASS_KEY: Final = "__class__"

Inner = Callable[[Any], Any]
"""Turns the class dictionaries inside a value into objects."""

Builder = Callable[[dict[Any, Any], Inner], object]

_Names = Collection[str]
ReferenceState = (
    tuple[str, _Names, _Names, _Names, object, str | None]
    | tuple[str, _Names, _Names, _Names, object, str | None, str]
)
"""A reference to an object: URI text; names of oneway methods, methods and
attributes; handshake value; serializer name or None; of a leased object also what is
needed to give it back."""

_URI_CLASS: Final = "Pyro5.core.URI"
_URI_FIELDS: Final = 5
_REFERENCE_CLASS: Final = "Pyro5.client.Proxy"
# Pyro5 sends six fields; Pyrolite, for Java and .NET, adds one without a meaning here.
# The native format adds a text for leased objects.
_REFERENCE_FIELDS: Final = 6
_LONG_REFERENCE_FIELDS: Final = 7
# The name of a connection and the number of a reference; no more are ever sent.
_LEASE: Final = re.compile("[0-9a-f]{1,64}:[0-9]{1,18}")
_WRAPPER_CLASS: Final = "Pyro5.core._ExceptionWrapper"


def _no_reference(obj: object) -> ReferenceState | None:  # noqa: ARG001 - a hook
    return None


def _no_factory(state: ReferenceState) -> object:
    raise SerializeError(
        f"received a reference to {state[0]}, but nothing here makes proxies;"
        " import pyro_protocol.references"
    )


def _first_reference(state: ReferenceState) -> object:
    # It sets the hooks; a program that uses nothing but serializers lacks it so far.
    import_module("..references", __package__)
    return _decode_reference(state)


_encode_reference: Callable[[object], ReferenceState | None] = _no_reference
_decode_reference: Callable[[ReferenceState], object] = _first_reference


def set_reference_hooks(
    *,
    encode: Callable[[object], ReferenceState | None],
    decode: Callable[[ReferenceState], object],
) -> None:
    """Say how references are found and made; the references layer calls this once.

    Args:
        encode: returns the state of the reference as which an object travels, or
            None if it is an ordinary object.
        decode: returns the proxy for a state, whose fields have been checked.
    """
    global _encode_reference, _decode_reference  # noqa: PLW0603 - one per process
    _encode_reference = encode
    _decode_reference = decode


def wire_form(obj: object, serializer: str) -> dict[str, Any] | None:
    """Return the dictionary for an object of the table, None for any other.

    Exceptions, registered objects and proxies are in the table, too.
    """
    if isinstance(obj, URI):
        return {CLASS_KEY: _URI_CLASS, "state": _uri_state(obj, serializer)}
    if isinstance(obj, BaseException):
        return exception_to_dict(obj, serializer)
    if isinstance(obj, ExceptionWrapper):
        return {CLASS_KEY: _WRAPPER_CLASS, "exception": obj.exception}
    state = _encode_reference(obj)
    if state is None:
        return None
    uri, oneway, methods, attributes, handshake, name, *lease = state
    # Sorted, so that equal references have equal bytes.
    names = (tuple(sorted(one)) for one in (oneway, methods, attributes))
    fields = (uri, *names, handshake, name)
    if lease and serializer == "native":
        return {CLASS_KEY: _REFERENCE_CLASS, "state": (*fields, *lease)}
    return {CLASS_KEY: _REFERENCE_CLASS, "state": fields}


def _uri_state(uri: URI, serializer: str) -> tuple[object, ...]:
    protocol, tags, *location = uri.state
    if isinstance(tags, str):
        return uri.state
    # Pyro5 compares tags as a set wherever the format has one.
    has_sets = serializer in {"serpent", "marshal"}
    return protocol, set(tags) if has_sets else sorted(tags), *location


def _build_uri(data: dict[Any, Any], inner: Inner) -> URI:  # noqa: ARG001 - a builder
    state = data.get("state")
    if not isinstance(state, list | tuple) or len(state) != _URI_FIELDS:
        raise SerializeError("malformed URI; its state must be a sequence of 5 values")
    protocol, name, sockname, host, port = state
    if not (
        isinstance(protocol, str)
        and isinstance(sockname, str | None)
        and isinstance(host, str | None)
        and (port is None or type(port) is int)
    ):
        raise SerializeError("malformed URI; a value of its state is of a wrong type")
    if not isinstance(name, str):
        name = _names(name, "URI")
    try:
        return URI.from_state(protocol, name, sockname, host, port)
    except PyroError as error:
        raise SerializeError(f"malformed URI; {str(error)[:200]}") from error


def _build_reference(data: dict[Any, Any], inner: Inner) -> object:
    state = data.get("state")
    if not isinstance(state, list | tuple) or len(state) not in {
        _REFERENCE_FIELDS,
        _LONG_REFERENCE_FIELDS,
    }:
        raise SerializeError("malformed reference; its state must be 6 or 7 values")
    uri, oneway, methods, attributes, handshake, name, *rest = state
    if not isinstance(uri, str) or not isinstance(name, str | None):
        raise SerializeError("malformed reference; URI and serializer must be text")
    try:
        URI(uri)
    except PyroError as error:
        raise SerializeError(f"malformed reference; {str(error)[:200]}") from error
    fields = (
        uri,
        _names(oneway, "reference"),
        _names(methods, "reference"),
        _names(attributes, "reference"),
        inner(handshake),
        name,
    )
    lease = lease_of(rest)
    return _decode_reference(fields if lease is None else (*fields, lease))


def lease_of(rest: Sequence[object]) -> str | None:
    """Return what follows the fields of a reference, if it is of a leased object."""
    lease = rest[0] if rest else None
    return lease if type(lease) is str and _LEASE.fullmatch(lease) else None


def _names(value: object, what: str) -> frozenset[str]:
    if not isinstance(value, list | tuple | set | frozenset) or not all(
        isinstance(name, str) for name in value
    ):
        raise SerializeError(f"malformed {what}; its names must be text")
    return frozenset(value)


def _build_wrapper(data: dict[Any, Any], inner: Inner) -> ExceptionWrapper:
    error = inner(data.get("exception"))
    if not isinstance(error, Exception):
        raise SerializeError("malformed exception wrapper; it holds no exception")
    return ExceptionWrapper(error)


WIRE_CLASSES: Final[dict[str, Builder]] = {
    _REFERENCE_CLASS: _build_reference,
    _WRAPPER_CLASS: _build_wrapper,
    _URI_CLASS: _build_uri,
}
"""What may be built, besides exceptions, without a registered converter. Pyro5 also
sends Daemons and serializers; those are never built."""


def _build_float(data: dict[Any, Any], inner: Inner) -> float:  # noqa: ARG001 - a builder
    return float(data["value"])


def _build_complex(data: dict[Any, Any], inner: Inner) -> complex:
    return complex(inner(data["real"]), inner(data["imag"]))


def _build_ordered(data: dict[Any, Any], inner: Inner) -> dict[Any, Any]:
    items = inner(data["items"])
    # A proxy in their place would be asked for its items, over the network.
    if not isinstance(items, list | tuple) or not all(
        isinstance(pair, list | tuple) for pair in items
    ):
        raise SerializeError("malformed OrderedDict; its items must be pairs")
    check_hashes([key for key, _ in items])
    return dict(items)


SERPENT_CLASSES: Final[dict[str, Builder]] = {
    "collections.OrderedDict": _build_ordered,
    "complex": _build_complex,
    "float": _build_float,
}
"""What the serpent library writes for values that a Python literal cannot express."""
