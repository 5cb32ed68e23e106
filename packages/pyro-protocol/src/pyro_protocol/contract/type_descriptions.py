"""Descriptions of the classes that annotations name: what their values consist of."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from enum import Enum, Flag
from typing import TYPE_CHECKING, Any, Final

from ..serializers.allowed import is_named_tuple
from .hints import hints_of
from .lookup import MISSING, annotated_names, class_member, own_annotations
from .values import describe_value

if TYPE_CHECKING:
    from .annotation_text import AnnotationWriter

__all__ = ["DOCSTRING_LIMIT", "TYPES_LIMIT", "describe_types", "docstring"]

DOCSTRING_LIMIT: Final = 10_000
"""How many characters of a docstring are kept: some 200 lines."""

TYPES_LIMIT: Final = 500
"""How many classes are described. A record may name records that name others, up to all
that a large program has."""

_MEMBERS_LIMIT: Final = 1_000
"""How many fields or members of each are: the codes of a large device."""

# What the factories of defaults make that are no code of the program.
_EMPTY: Final[tuple[tuple[type, Any], ...]] = (
    (list, []),
    (dict, {}),
    (set, set()),
    (tuple, ()),
)


def describe_types(writer: AnnotationWriter) -> dict[str, Any]:
    """Return a description of each record, enumeration and alias that was named.

    More may be named while they are described; these are described as well.

    Args:
        writer: what has written the annotations.
    """
    described: dict[str, Any] = {}
    seen: set[str] = set()
    while len(described) < TYPES_LIMIT and (new := writer.named.keys() - seen):
        for name in sorted(new)[: TYPES_LIMIT - len(described)]:
            seen.add(name)
            found = _describe(writer.named[name], writer)
            if found is not None:
                described[name] = found
    return described


def docstring(text: object) -> str | None:
    """Return a docstring without its indentation, or None if there is none."""
    if not isinstance(text, str) or not text.strip():
        return None
    # Far more than any that is kept, before time is spent on it.
    return inspect.cleandoc(text[: 2 * DOCSTRING_LIMIT])[:DOCSTRING_LIMIT]


def _describe(named: Any, writer: AnnotationWriter) -> dict[str, Any] | None:
    try:
        return _describe_type(named, writer)
    except Exception:  # noqa: BLE001 - a class may be anything, and is then not described
        return None


def _describe_type(named: Any, writer: AnnotationWriter) -> dict[str, Any] | None:
    if not isinstance(named, type):
        target = getattr(named, "__supertype__", None) or named.__value__
        return {"kind": "alias", "doc": None, "of": writer.write(target)}
    doc = docstring(class_member(named, "__doc__"))
    if doc is not None and doc.startswith(f"{named.__name__}("):
        # What `dataclass` and `NamedTuple` make up says no more than the fields do.
        doc = None
    if issubclass(named, Enum):
        described = {"kind": "enum", "doc": doc, "members": _members(named)}
        return {**described, "flags": True} if issubclass(named, Flag) else described
    if typing.is_typeddict(named):
        return {"kind": "typeddict", "doc": doc, "fields": _keys(named, writer)}
    if is_named_tuple(named):
        return {"kind": "namedtuple", "doc": doc, "fields": _items(named, writer)}
    if dataclasses.is_dataclass(named):
        return {"kind": "dataclass", "doc": doc, "fields": _fields(named, writer)}
    return None


def _members(clazz: type[Enum]) -> list[dict[str, Any]]:
    members = list(class_member(clazz, "_member_map_").items())[:_MEMBERS_LIMIT]
    described = []
    for name, member in members:
        value = describe_value(vars(member).get("_value_"))
        described.append({"name": name, "text": value.pop("default"), **value})
    return described


def _fields(clazz: Any, writer: AnnotationWriter) -> list[dict[str, Any]]:
    hints = hints_of(clazz)
    return [
        _field(
            field.name,
            writer.write(hints.get(field.name, field.type)),
            _default_of(field),
            keyword_only=field.kw_only is True,
        )
        for field in dataclasses.fields(clazz)[:_MEMBERS_LIMIT]
    ]


def _default_of(field: dataclasses.Field[Any]) -> Any:
    """Return a default, `MISSING` if there is none, ``...`` if it is not known."""
    if field.default is not dataclasses.MISSING:
        return field.default
    factory: Any = field.default_factory
    if factory is dataclasses.MISSING:
        return MISSING if field.init else ...
    # Others are code of the program.
    return next((value for kind, value in _EMPTY if factory is kind), ...)


def _items(clazz: Any, writer: AnnotationWriter) -> list[dict[str, Any]]:
    hints = hints_of(clazz)
    defaults = getattr(clazz, "_field_defaults", {})
    return [
        _field(name, writer.write(hints.get(name, Any)), defaults.get(name, MISSING))
        for name in clazz._fields[:_MEMBERS_LIMIT]
    ]


def _keys(clazz: Any, writer: AnnotationWriter) -> list[dict[str, Any]]:
    hints = hints_of(clazz)
    raw = {
        name: own_annotations(owner).get(name, Any)
        for name, owner in annotated_names(clazz).items()
    }
    return [
        _field(
            name,
            writer.write(hints.get(name, annotation)),
            MISSING if _is_required(clazz, name, hints.get(name)) else ...,
            keyword_only=True,
        )
        for name, annotation in list(raw.items())[:_MEMBERS_LIMIT]
    ]


def _is_required(clazz: Any, name: str, hint: Any) -> bool:
    form = typing.get_origin(hint)
    # Python does not see these in annotations that are written as text.
    if form in {typing.Required, typing.NotRequired}:
        return form is typing.Required
    return name in clazz.__required_keys__


def _field(
    name: str, annotation: str, default: Any, *, keyword_only: bool = False
) -> dict[str, Any]:
    description: dict[str, Any] = {
        "name": name,
        "annotation": annotation,
        "keyword_only": keyword_only,
        "required": default is MISSING,
        "default": None,
    }
    if default is not MISSING:
        description.update(describe_value(default))
    return description
