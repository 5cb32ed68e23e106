"""Exceptions as dictionaries, and back: what travels of them, and what arrives.

The dictionary is the one Pyro5 sends: ``__class__``, ``__exception__``, ``args``
and ``attributes``, in this order. The native serializer adds, where there is
something to say:

``bases``
    the names of the base classes, nearest first;
``suppress_context``
    where it is not what follows from there being a cause;
``linked``
    a list of the exceptions that belong to this one: causes, contexts and members
    of groups, theirs as well, each as such a dictionary. ``of`` is the number of
    the exception it belongs to, 0 being the one that holds the list and 1 the first
    in the list, and ``as`` is ``cause``, ``context``, ``both`` or ``member``. Who
    belongs to another comes after it. A group has only its message in ``args``.

Arguments and attributes are all that an exception is made of (see `remote_errors`). An
attribute that cannot travel is left out, and a note tells of it. Contexts that the
program suppressed are not sent.

An exception arrives as an instance of its class if `find_exception` knows that, and
as `RemoteError` otherwise: if the class is unknown here, does not take the arguments,
or would not be an ``Exception``, such as SystemExit, because a peer must not be able
to end this program. Where a base class is known, it is an instance of that as well.
"""

from __future__ import annotations

import binascii
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..errors import RemoteError, SerializeError
from ..frozen import Frozen
from .exception_checks import acceptable_arguments, acceptable_attribute, is_field
from .exception_forms import CHAIN_LIMIT, LINKED_LIMIT, exception_to_dict
from .exception_names import (
    BASES_LIMIT,
    PYRO_PREFIX,
    base_names,
    find_exception,
    wire_name,
)
from .remote_errors import assemble, remote_class

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "CHAIN_LIMIT",
    "LINKED_LIMIT",
    "ExceptionWrapper",
    "exception_from_dict",
    "exception_to_dict",
    "is_exception_dict",
    "wire_name",
]

_Error = TypeVar("_Error", bound=Exception)

_RELATIONS: Final = ("cause", "context", "both", "member")


class ExceptionWrapper(Frozen):
    """An exception as an element of a batch result: to be raised, not returned."""

    exception: BaseException


def is_exception_dict(name: str, data: dict[Any, Any]) -> bool:
    """Tell whether the dictionary of class ``name`` stands for an exception."""
    return (
        data.get("__exception__") is True
        or name.startswith(PYRO_PREFIX)
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
    linked = data.get("linked")
    if linked is None:
        relatives: list[tuple[str, Exception]] = []
    else:
        relatives = _relatives(_checked_links(linked), inner)
    return _with_relatives(name, data, inner, relatives)


def _checked_links(linked: Any) -> Sequence[dict[Any, Any]]:
    if not isinstance(linked, list | tuple) or len(linked) > LINKED_LIMIT:
        raise SerializeError(
            "malformed exception; what is linked to it must be a list of at most"
            f" {LINKED_LIMIT}"
        )
    depths = [0]
    for number, form in enumerate(linked, 1):
        if not isinstance(form, dict) or not isinstance(form.get("__class__"), str):
            raise SerializeError("malformed exception; what is linked to it is none")
        of = form.get("of")
        if (
            type(of) is not int
            or not 0 <= of < number
            or form.get("as") not in _RELATIONS
        ):
            raise SerializeError(
                "malformed exception; what is linked to it must say how, and to which"
                " one before it"
            )
        depths.append(depths[of] + 1)
        if depths[number] > CHAIN_LIMIT:
            raise SerializeError(
                f"malformed exception; more than {CHAIN_LIMIT} are linked in a row"
            )
    return linked


def _relatives(
    linked: Sequence[dict[Any, Any]], inner: Callable[[Any], Any]
) -> list[tuple[str, Exception]]:
    """Return what belongs to an exception itself, with all that belongs to those."""
    relatives: list[list[tuple[str, Exception]]] = [[] for _ in range(len(linked) + 1)]
    # Who belongs to another comes later, and must be there before.
    for number in range(len(linked), 0, -1):
        form = linked[number - 1]
        error = _with_relatives(form["__class__"], form, inner, relatives[number])
        relatives[form["of"]].append((form["as"], error))
    return relatives[0]


def _with_relatives(
    name: str,
    data: dict[Any, Any],
    inner: Callable[[Any], Any],
    relatives: list[tuple[str, Exception]],
) -> Exception:
    members = [other for relation, other in relatives if relation == "member"]
    members.reverse()
    error = _one_from_dict(name, data, inner, members)
    for relation, other in relatives:
        if relation in {"cause", "both"}:
            error.__cause__ = other
        if relation in {"context", "both"}:
            error.__context__ = other
    if type(data.get("suppress_context")) is bool:
        error.__suppress_context__ = data["suppress_context"]
    return error


def _one_from_dict(
    name: str,
    data: dict[Any, Any],
    inner: Callable[[Any], Any],
    members: list[Exception],
) -> Exception:
    args = inner(data.get("args", ()))
    attributes = data.get("attributes")
    attributes = {} if attributes is None else inner(attributes)
    if not isinstance(args, list | tuple):
        raise SerializeError("malformed exception; its args must be a sequence")
    if not isinstance(attributes, dict):
        raise SerializeError("malformed exception; its attributes must be a mapping")
    args = (*args, members) if members else tuple(args)
    attributes = {key: value for key, value in attributes.items() if type(key) is str}
    clazz = find_exception(name)
    if clazz is not None:
        error = _build(clazz, clazz, args, attributes)
        if error is not None:
            return error
        bases = base_names(clazz)
    else:
        bases = _named_bases(data.get("bases"))
    return _build_remote(name, bases, args, attributes)


def _named_bases(bases: Any) -> tuple[str, ...]:
    if bases is None:
        return ()
    if (
        not isinstance(bases, list | tuple)
        or len(bases) > BASES_LIMIT
        or not all(isinstance(one, str) for one in bases)
    ):
        raise SerializeError(
            f"malformed exception; its bases must be at most {BASES_LIMIT} names"
        )
    return tuple(bases)


def _build_remote(
    name: str,
    bases: tuple[str, ...],
    args: tuple[Any, ...],
    attributes: dict[str, Any],
) -> RemoteError:
    """Return a RemoteError that is an instance of the nearest base that can be had."""
    error: RemoteError | None = None
    for base in map(find_exception, bases):
        if base is not None and not issubclass(RemoteError, base):
            error = _build(remote_class(base), base, args, attributes)
            if error is not None:
                break
    if error is None:
        error = RemoteError(*args)
        _set_attributes(
            error,
            {
                key: attributes[key]
                for key in ("_pyroTraceback", "__notes__")
                if key in attributes
            },
        )
    error.remote_type = name
    error.attributes = attributes
    if bases:
        error.remote_bases = bases
    return error


def _build(
    clazz: type[_Error],
    base: type[Exception],
    args: tuple[Any, ...],
    attributes: dict[str, Any],
) -> _Error | None:
    """Return an exception of a class, None if it does not take what is given."""
    try:
        if base is UnicodeDecodeError:
            args = tuple(map(_bytes_of_serpent, args))
        if not acceptable_arguments(base, args):
            return None
        error = assemble(clazz, args)
        _set_attributes(error, attributes)
        # Without the attributes it relies on, it could be neither shown nor logged.
        # RemoteError has a text in any case.
        for method in (clazz.__repr__, clazz.__str__ if clazz is base else None):
            if isinstance(method, FunctionType):
                method(error)
    except Exception:  # noqa: BLE001 - what it is made of is the peer's
        return None
    return error


def _set_attributes(error: Exception, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        if acceptable_attribute(error, key, value):
            try:
                # Not in the way of the class, which can refuse, or do more than that.
                if value is None and is_field(error, key):
                    Exception.__delattr__(error, key)
                else:
                    # Notes are added to later.
                    own = [*value] if key == "__notes__" else value
                    Exception.__setattr__(error, key, own)
            except (AttributeError, OverflowError, TypeError, ValueError):
                # The exception itself matters more to the caller than this.
                continue


def _bytes_of_serpent(value: object) -> object:
    """Return the bytes that a serpent dictionary stands for, or else the value."""
    if isinstance(value, dict) and value.get("encoding") == "base64":
        data = value.get("data")
        if isinstance(data, str):
            return binascii.a2b_base64(data)
    return value
