"""The described classes, such as dataclasses and enumerations, as source text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyro_protocol.contract.described import is_usable_name

from .literals import docstring_lines, literal_text, literal_value, string_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyro_protocol.contract.described import DescribedField, DescribedType

    from .annotations import AnnotationReader
    from .names import StubNames

__all__ = ["UNKNOWN", "RecordWriter", "unknown_lines"]

UNKNOWN: Final = "_unknown"
"""What stands for a default that is there, but not known."""

# As annotations, since strict checkers want to know of what these are.
_FACTORIES: Final = {
    "[]": "list[typing.Any]",
    "{}": "dict[typing.Any, typing.Any]",
    "set()": "set[typing.Any]",
}
_INDENTATION: Final = "    "
_SHOWN: Final = 60


class RecordWriter:
    """Writes the described classes.

    Args:
        names: how things are called.
        reader: reads annotations.
        types: what the described classes are called here.
    """

    def __init__(
        self,
        names: StubNames,
        reader: AnnotationReader,
        types: Mapping[str, str],
    ) -> None:
        self._names = names
        self._reader = reader
        self._types = types
        self._uses_unknown = False

    def unknown_lines(self) -> list[str]:
        """Return the lines that define what stands for unknown defaults, if needed."""
        if not self._uses_unknown:
            return []
        return [f"{UNKNOWN}: {self._reader.any} = ..."]

    def lines(self, described: DescribedType) -> list[str]:
        """Return the lines of one class or alias."""
        name = self._types[described.name]
        if described.kind == "alias":
            return self._alias(name, described.target)
        if not _is_writable(described):
            return self._alias(name, None)
        if described.kind == "enum":
            body, base = _members(described), self._names.imported("enum", "Enum")
            head = [f"class {name}({base}):"]
        elif described.kind == "dataclass":
            body = [self._field(one) for one in described.fields]
            decorator = self._names.imported("dataclasses", "dataclass")
            head = [f"@{decorator}", f"class {name}:"]
        else:
            is_tuple = described.kind == "namedtuple"
            body = [
                self._item(one) if is_tuple else self._key(one)
                for one in described.fields
            ]
            base = self._names.imported(
                "typing", "NamedTuple" if is_tuple else "TypedDict"
            )
            head = [f"class {name}({base}):"]
        comments = unknown_lines(self._reader, "")
        doc = docstring_lines(described.doc, _INDENTATION) if described.doc else []
        if doc and body:
            doc.append("")
        body = [f"{_INDENTATION}{line}" for line in body]
        return [*comments, *head, *doc, *(body or ([] if doc else ["    pass"]))]

    def _alias(self, name: str, target: str | None) -> list[str]:
        form = self._names.imported("typing", "TypeAlias")
        text = self._reader.read(target)
        comments = unknown_lines(self._reader, "")
        return [*comments, f"{name}: {form} = {string_text(text)}"]

    def _item(self, field: DescribedField) -> str:
        text = f"{field.name}: {self._reader.read(field.annotation)}"
        default = self._default(field.default)
        return text if default is None else f"{text} = {default}"

    def _key(self, field: DescribedField) -> str:
        text = self._reader.read(field.annotation)
        if field.default is not None:
            text = f"{self._names.imported('typing', 'NotRequired')}[{text}]"
        return f"{field.name}: {text}"

    def _field(self, field: DescribedField) -> str:
        text = f"{field.name}: {self._reader.read(field.annotation)}"
        arguments = []
        factory = _FACTORIES.get(field.default or "")
        default = self._default(field.default)
        if factory is not None:
            arguments.append(f"default_factory={self._reader.read(factory)}")
        elif default is not None and not field.keyword_only:
            return f"{text} = {default}"
        elif default is not None:
            arguments.append(f"default={default}")
        if field.keyword_only:
            arguments.append("kw_only=True")
        if not arguments:
            return text
        function = self._names.imported("dataclasses", "field")
        return f"{text} = {function}({', '.join(arguments)})"

    def _default(self, text: str | None) -> str | None:
        if text is None:
            return None
        member = self._reader.enum_member(text)
        if member is not None and member[0] != "_":
            return member
        try:
            return literal_text(literal_value(text))
        except ValueError:
            self._uses_unknown = True
            return UNKNOWN


def unknown_lines(reader: AnnotationReader, indentation: str) -> list[str]:
    """Return comments on the annotations that were not understood since the last."""
    texts = sorted(set(reader.unknown))
    reader.unknown.clear()
    return [
        f"{indentation}# Any stands for what is not known here: {_shown(text)}"
        for text in texts
    ]


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _members(described: DescribedType) -> list[str]:
    lines = []
    for member in described.fields:
        try:
            value = literal_text(literal_value(member.default or ""))
        except ValueError:
            value = "object()"
        lines.append(f"{member.name} = {value}")
    return lines


def _is_writable(described: DescribedType) -> bool:
    """Whether Python accepts the fields of a class where it is written out."""
    names = [one.name for one in described.fields]
    if len(set(names)) < len(names):
        return False
    if not all(is_usable_name(one) and one[0] != "_" for one in names):
        return False
    if described.kind == "enum":
        return bool(names) and "mro" not in names
    if described.kind == "typeddict":
        return True
    if described.kind == "namedtuple" and not {*dir(tuple)}.isdisjoint(names):
        return False
    is_tuple = described.kind == "namedtuple"
    positional = [one for one in described.fields if is_tuple or not one.keyword_only]
    has_default = [one.default is not None for one in positional]
    return has_default == sorted(has_default)
