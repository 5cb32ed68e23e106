"""The converters of all annotations of a description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_protocol.contract.described import NO_VALUE
from pyro_protocol.serializers import ForeignMember

from .annotations import (
    Annotation,
    AnnotationReader,
    EnumMember,
    FixedTuple,
    Keyed,
    Literal,
    Named,
    Scalar,
    Sequence,
    Stream,
    Union,
)
from .choices import Choice, ChoiceValue
from .containers import ListValue, MappingValue, TupleValue
from .conversion import ANY_VALUE, Converter, LaterValue, ScalarValue
from .records import RecordValue
from .unions import Tried, UnionValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyro_protocol.contract.described import DescribedField, DescribedType

__all__ = ["ConverterBook"]


class ConverterBook:
    """The converters of one description, each made when it is first needed.

    Args:
        types: the described classes and aliases.

    Attributes:
        forget: is to be called when the values of a request have been read.
    """

    def __init__(self, types: Mapping[str, DescribedType]) -> None:
        self._reader = AnnotationReader(types)
        self._made: dict[Annotation, Converter] = {}
        self._tried: Tried = {}
        self.forget: Callable[[], None] = self._tried.clear

    def of(self, text: str | None) -> Converter:
        """Return the converter of an annotation."""
        return self._of(self._reader.read(text))

    def _of(self, annotation: Annotation) -> Converter:
        annotation = self._reader.resolve(annotation)
        made = self._made.get(annotation)
        if made is None:
            # An alias can stand for something that it is a part of.
            later = self._made[annotation] = LaterValue()
            made = later.converter = self._made[annotation] = self._make(annotation)
        return made

    def _make(self, annotation: Annotation) -> Converter:  # noqa: PLR0911 - one for each kind
        match annotation:
            case Scalar(name):
                return ScalarValue(name)
            case Literal(values):
                return ChoiceValue([self._choice(value) for value in values])
            case Sequence(kind, item):
                return ListValue(kind, self._of(item))
            case Stream(item, _):
                return ListValue("list", self._of(item))
            case FixedTuple(items):
                return TupleValue(tuple(self._of(item) for item in items))
            case Keyed(key, value):
                return MappingValue(self._of(key), self._of(value))
            case Union(options):
                return UnionValue([self._of(one) for one in options], self._tried)
            case Named(name):
                return self._named(self._reader.types[name])
        return ANY_VALUE

    def _named(self, described: DescribedType) -> Converter:
        if described.kind == "enum":
            return ChoiceValue(
                [_member(described, member) for member in described.fields],
                is_flags=described.flags,
                class_name=described.name,
            )
        return RecordValue(described, self.of)

    def _choice(self, value: object) -> Choice:
        if not isinstance(value, EnumMember):
            return Choice(None, value, value)
        described = self._reader.types[value.enum]
        fields = (one for one in described.fields if one.name == value.name)
        return _member(described, next(fields))


def _member(described: DescribedType, member: DescribedField) -> Choice:
    value = None if member.value is NO_VALUE else member.value
    sent = ForeignMember(described.name, member.name, value)
    return Choice(member.name, member.value, sent)
