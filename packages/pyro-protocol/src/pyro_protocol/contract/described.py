"""What a server says that its object offers, as it was read and checked.

A description comes from the other side, so nothing in it is taken for granted: what has
not the documented form is left out. Only the text of annotations and defaults is as it
came; who uses it has to look at it.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

__all__ = [
    "NO_VALUE",
    "DescribedAttribute",
    "DescribedField",
    "DescribedMethod",
    "DescribedType",
    "Description",
    "described_by_names",
    "is_usable_name",
    "read_description",
]

_FIELD_KINDS: Final = frozenset({"dataclass", "namedtuple", "typeddict"})
_TYPE_KINDS: Final = _FIELD_KINDS | {"enum", "alias"}

NO_VALUE: Final = object()
"""In the place of a value that is not known, or that there is none of."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DescribedField:
    """A parameter of a method, or a field of a record.

    Attributes:
        name: its name.
        annotation: the text of its annotation, or None.
        default: the text of its default, ``...`` if that is not known, or None if it
            has none.
        kind: of a parameter, how it is given, such as ``keyword_only``.
        keyword_only: of a field, whether it is only given by name.
        value: the default, if it is plain data; `NO_VALUE` if it is not, or if there
            is none.
    """

    name: str
    annotation: str | None = None
    default: str | None = None
    kind: str = "positional_or_keyword"
    keyword_only: bool = False
    value: Any = NO_VALUE


@dataclass(frozen=True, slots=True)
class DescribedMethod:
    """A method.

    Attributes:
        name: its name.
        kind: ``method``, ``oneway`` or ``stream``.
        parameters: what callers give; None if that is not known.
        returns: the text of the annotation of what it returns, or None.
        doc: the docstring, or None.
        idempotent: whether running it twice does no harm.
    """

    name: str
    kind: str = "method"
    parameters: tuple[DescribedField, ...] | None = None
    returns: str | None = None
    doc: str | None = None
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class DescribedAttribute:
    """An attribute.

    Attributes:
        name: its name.
        readable: whether it can be read.
        writable: whether it can be set.
        annotation: the text of its annotation, or None.
        doc: the docstring, or None.
    """

    name: str
    readable: bool = True
    writable: bool = True
    annotation: str | None = None
    doc: str | None = None


@dataclass(frozen=True, slots=True)
class DescribedType:
    """A class or an alias that annotations name.

    Attributes:
        name: how annotations call it, with its module.
        kind: ``dataclass``, ``namedtuple``, ``typeddict``, ``enum`` or ``alias``.
        doc: the docstring, or None.
        fields: of a record, what it consists of; of an enumeration, its members, with
            their values as defaults.
        target: of an alias, the annotation it stands for.
        flags: of an enumeration, whether its members can be combined.
    """

    name: str
    kind: str
    doc: str | None = None
    fields: tuple[DescribedField, ...] = ()
    target: str | None = None
    flags: bool = False


@dataclass(frozen=True, slots=True)
class Description:
    """What a remote object offers.

    Attributes:
        class_name: what annotations call its class, with its module; or None.
        doc: the docstring, or None.
        methods: its methods by name.
        attributes: its attributes by name.
        types: the described classes, by the text that annotations have for them.
    """

    class_name: str | None = None
    doc: str | None = None
    methods: dict[str, DescribedMethod] = field(default_factory=dict)
    attributes: dict[str, DescribedAttribute] = field(default_factory=dict)
    types: dict[str, DescribedType] = field(default_factory=dict)


def read_description(data: object) -> Description | None:
    """Return a description as far as it has the documented form, or None."""
    if not isinstance(data, dict):
        return None
    class_name, module = _text(data.get("class")), _text(data.get("module"))
    if class_name is not None and module is not None:
        class_name = f"{module}.{class_name}"
    methods = filter(None, map(_method, _items(data.get("methods"))))
    attributes = filter(None, map(_attribute, _items(data.get("attributes"))))
    types = data.get("types")
    return Description(
        class_name,
        _text(data.get("doc")),
        {one.name: one for one in methods},
        {one.name: one for one in attributes},
        dict(_types(types)) if isinstance(types, dict) else {},
    )


def described_by_names(
    class_name: str | None,
    methods: Iterable[str],
    oneway: Collection[str],
    attributes: Iterable[str],
) -> Description:
    """Return what is known of an object whose server does not describe it."""
    return Description(
        class_name,
        methods={
            name: DescribedMethod(name, "oneway" if name in oneway else "method")
            for name in filter(is_usable_name, methods)
        },
        attributes={
            name: DescribedAttribute(name)
            for name in filter(is_usable_name, attributes)
        },
    )


def is_usable_name(name: object) -> bool:
    """Whether something can stand for a name in Python."""
    return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)


def _text(value: object) -> str | None:
    """Return text, without what would do something to a terminal or an editor."""
    if not isinstance(value, str) or value.isprintable():
        return value if isinstance(value, str) else None
    return "".join(
        one
        if one.isprintable() or one == "\n"
        else one.encode("unicode_escape").decode()
        for one in value.expandtabs()
    )


def _items(value: object) -> Iterator[dict[str, Any]]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict) and isinstance(one.get("name"), str):
            yield one


def _method(data: dict[str, Any]) -> DescribedMethod | None:
    if not is_usable_name(data["name"]):
        return None
    kind = data.get("kind")
    return DescribedMethod(
        data["name"],
        kind if kind in ("oneway", "stream") else "method",
        _whole(data.get("parameters"), _parameter),
        _text(data.get("returns")),
        _text(data.get("doc")),
        data.get("idempotent") is True,
    )


def _attribute(data: dict[str, Any]) -> DescribedAttribute | None:
    if not is_usable_name(data["name"]):
        return None
    return DescribedAttribute(
        data["name"],
        data.get("readable") is not False,
        data.get("writable") is True,
        _text(data.get("annotation")),
        _text(data.get("doc")),
    )


def _whole(
    values: object, read: Callable[[dict[str, Any]], T | None]
) -> tuple[T, ...] | None:
    """Return a list of which nothing may be missing; None if anything is."""
    if not isinstance(values, list):
        return None
    found = [one for one in map(read, _items(values)) if one is not None]
    return tuple(found) if len(found) == len(values) else None


def _parameter(data: dict[str, Any]) -> DescribedField | None:
    kind = data.get("kind")
    if not is_usable_name(data["name"]) or not isinstance(kind, str):
        return None
    return DescribedField(
        data["name"],
        _text(data.get("annotation")),
        _default(data),
        kind,
        value=_value(data),
    )


def _default(data: dict[str, Any]) -> str | None:
    if data.get("required") is not False:
        return None
    return _text(data.get("default"))


def _value(data: dict[str, Any]) -> Any:
    return NO_VALUE if _default(data) is None else data.get("value", NO_VALUE)


def _types(data: dict[Any, Any]) -> Iterator[tuple[str, DescribedType]]:
    for name, one in data.items():
        if not isinstance(name, str) or not isinstance(one, dict):
            continue
        kind = one.get("kind")
        if not isinstance(kind, str) or kind not in _TYPE_KINDS:
            continue
        fields: tuple[DescribedField, ...] | None = ()
        if kind in _FIELD_KINDS:
            fields = _whole(one.get("fields"), _field)
        elif kind == "enum":
            fields = _whole(one.get("members"), _member)
        target = _text(one.get("of"))
        if fields is not None and (kind != "alias" or target is not None):
            doc, flags = _text(one.get("doc")), one.get("flags") is True
            yield name, DescribedType(name, kind, doc, fields, target, flags)


def _field(data: dict[str, Any]) -> DescribedField | None:
    return DescribedField(
        data["name"],
        _text(data.get("annotation")),
        _default(data),
        keyword_only=data.get("keyword_only") is True,
        value=_value(data),
    )


def _member(data: dict[str, Any]) -> DescribedField | None:
    return DescribedField(
        data["name"],
        default=_text(data.get("text")),
        value=data.get("value", NO_VALUE),
    )
