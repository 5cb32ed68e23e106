"""Exceptions as dictionaries, with all that belongs to them; see `exceptions`."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from ..errors import PyroError, RemoteError, SecurityError, SerializeError
from .exception_checks import field_values
from .exception_names import base_names, native_name, wire_name
from .remote_errors import assemble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CHAIN_LIMIT",
    "LINKED_LIMIT",
    "exception_to_dict",
    "set_trial_hook",
    "slot_values",
]

CHAIN_LIMIT: Final = 32
"""How many steps an exception may be away from one it belongs to, over causes,
contexts and groups. A traceback with more tells nobody anything, a peer could send
endless ones, and Python needs its stack to print them."""

LINKED_LIMIT: Final = 1000
"""How many exceptions travel with one, most of them members of groups: more failures
at once are looked up in a log, not in a traceback."""

_NATIVE: Final = "native"
_NOTES: Final = "__notes__"
_PLAIN: Final = frozenset({type(None), bool, int, float})
_PORTABLE_FIELDS: Final = frozenset({"filename", "filename2", "name", "path"})
_WITH_PORTABLE_FIELDS: Final = (OSError, ImportError)
_TEXT_LISTS: Final = frozenset({_NOTES, "_pyroTraceback"})

_message_of: Final = vars(BaseExceptionGroup)["message"].__get__
_members_of: Final = vars(BaseExceptionGroup)["exceptions"].__get__


def _untried(_serializer: str, _value: object) -> object:
    return None


_dumps: Callable[[str, object], object] = _untried
_in_trial: Final[ContextVar[bool]] = ContextVar("in_trial", default=False)


def set_trial_hook(dumps: Callable[[str, object], object]) -> None:
    """Say how to find out whether a value can travel; the serializers call this once.

    Args:
        dumps: writes a value with the serializer of a name, or raises
            SerializeError or SecurityError.
    """
    global _dumps  # noqa: PLW0603 - one set of serializers per process
    _dumps = dumps


def exception_to_dict(error: BaseException, serializer: str = "") -> dict[str, Any]:
    """Return the dictionary form of an exception.

    Args:
        error: the exception. A `RemoteError` becomes what it was received as.
        serializer: the name of the serializer that is to write it. With the native
            one our own error classes keep their names, and everything that is
            linked to the exception goes with it. Without a name, attributes are
            taken to be such as can be written.
    """
    if serializer != _NATIVE:
        return _one_to_dict(error, serializer)
    result = _one_to_dict(error, serializer)
    family = [(error, result, 0)]
    linked: list[dict[str, Any]] = []
    seen = {id(error)}
    # The list grows while it is gone through, nearest relations first.
    for number, (one, form, depth) in enumerate(family):
        omitted = 0
        for relation, other in _relations(one):
            if id(other) in seen and relation != "member":
                continue
            if depth == CHAIN_LIMIT or len(linked) == LINKED_LIMIT:
                omitted += relation == "member"
                continue
            seen.add(id(other))
            other_form = _one_to_dict(other, serializer)
            linked.append({"of": number, "as": relation, **other_form})
            family.append((other, linked[-1], depth + 1))
        if omitted:
            _add_note(form["attributes"], f"{omitted} of its exceptions were not sent")
    if linked:
        result["linked"] = linked
    return result


def _relations(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """Yield what Python would print with an exception, and how it belongs to that."""
    cause, context = error.__cause__, error.__context__
    if cause is not None:
        yield ("both" if context is cause else "cause"), cause
    if context is not None and context is not cause and not error.__suppress_context__:
        yield "context", context
    if isinstance(error, BaseExceptionGroup):
        for member in _members_of(error):
            yield "member", member


def _one_to_dict(error: BaseException, serializer: str) -> dict[str, Any]:
    native = serializer == _NATIVE
    clazz = type(error)
    bases: tuple[str, ...] = ()
    if _is_remote(error):
        name, bases = error.remote_type or wire_name(PyroError), error.remote_bases
    elif native:
        name = native_name(clazz)
        if clazz.__module__ not in {"builtins", PyroError.__module__}:
            bases = base_names(clazz)
    else:
        name = wire_name(clazz)
    args = error.args
    if native and isinstance(error, BaseExceptionGroup):
        args = (_message_of(error),)
    form: dict[str, Any] = {
        "__class__": name,
        "__exception__": True,
        "args": args,
        "attributes": _attributes(error, serializer),
    }
    if native:
        if bases:
            form["bases"] = [*bases]
        if error.__suppress_context__ is not (error.__cause__ is not None):
            form["suppress_context"] = error.__suppress_context__
    return form


def _is_remote(error: BaseException) -> TypeGuard[RemoteError]:
    """Tell an exception that has been received from a program's own class."""
    module = RemoteError.__module__
    return isinstance(error, RemoteError) and type(error).__module__ == module


def _attributes(error: BaseException, serializer: str) -> dict[str, Any]:
    native = serializer == _NATIVE
    attributes = (
        {**dict(slot_values(error)), **vars(error)} if native else {**vars(error)}
    )
    if _is_remote(error):
        for name in ("remote_type", "remote_bases", "attributes"):
            attributes.pop(name, None)
        attributes = {**error.attributes, **attributes}
    attributes.update(_own_fields(error) if native else _portable_fields(error))
    if not serializer or _in_trial.get():
        return attributes
    return _sendable(attributes, serializer)


def slot_values(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield name and value of the attributes for which the classes have slots."""
    for base in type(error).__mro__:
        if "__slots__" in vars(base):
            for name, slot in vars(base).items():
                if type(slot) is MemberDescriptorType and hasattr(error, name):
                    yield name, slot.__get__(error)


def _is_plain_path(value: object) -> bool:
    # Without the module there are none.
    module = sys.modules.get("pathlib")
    return module is not None and isinstance(value, module.PurePath)


def _own_fields(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield what the exception keeps itself and does not follow from its args."""
    fields = dict(field_values(error))
    if not fields:
        return
    clazz: type[Any] = type(error)
    while clazz.__module__ != "builtins":
        clazz = clazz.__base__  # type: ignore[assignment] # all end with a builtin one
    try:
        implied = dict(field_values(assemble(clazz, error.args)))
    except Exception:  # noqa: BLE001 - args may have been replaced by anything
        implied = {}
    for name, value in fields.items():
        if isinstance(value, os.PathLike) and not _is_plain_path(value):
            value = _path_text(value)  # noqa: PLW2901 - the same in another form
        follows = implied.get(name)
        if value is follows:
            continue
        if not isinstance(value, str | int | bytes | os.PathLike) or value != follows:
            yield name, value


def _portable_fields(error: BaseException) -> Iterator[tuple[str, object]]:
    """Yield the names of files and modules, which any peer may set."""
    if isinstance(error, _WITH_PORTABLE_FIELDS):
        for name, value in field_values(error):
            if name in _PORTABLE_FIELDS:
                text = value if isinstance(value, str | int) else _path_text(value)
                if text is not None:
                    yield name, text


def _path_text(value: Any) -> str | None:
    try:
        return os.fsdecode(value)
    except Exception:  # noqa: BLE001 - a path of a program's own class
        return None


def _sendable(attributes: dict[str, Any], serializer: str) -> dict[str, Any]:
    """Return the attributes that can travel, and a note about those that cannot."""
    result: dict[str, Any] = {}
    lost: list[str] = []
    for name, value in attributes.items():
        if name in _TEXT_LISTS and isinstance(value, list | tuple):
            result[name] = [_sendable_text(str(one)) for one in value]
        elif _is_plain(value) or _can_travel(value, serializer):
            result[name] = value
        else:
            lost.append(_sendable_text(str(name)))
    if lost:
        _add_note(result, f"attributes that could not be sent: {', '.join(lost)}")
    return result


def _sendable_text(text: str) -> str:
    """Return a text that every serializer can write."""
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_plain(value: object) -> bool:
    kind = type(value)
    return kind in _PLAIN or (kind is str and str.isascii(value))  # type: ignore[arg-type] # a str


def _can_travel(value: object, serializer: str) -> bool:
    # An exception among the attributes can have this one among its own.
    token = _in_trial.set(True)
    try:
        _dumps(serializer, [value])
    except (SerializeError, SecurityError):
        return False
    finally:
        _in_trial.reset(token)
    return True


def _add_note(attributes: dict[str, Any], text: str) -> None:
    notes = attributes.get(_NOTES)
    attributes[_NOTES] = [*(notes if isinstance(notes, list) else ()), f"({text})"]
