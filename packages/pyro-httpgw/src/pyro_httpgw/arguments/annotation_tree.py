"""What the values that an annotation allows may be, as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = [
    "ANYTHING",
    "Annotation",
    "Anything",
    "EnumMember",
    "FixedTuple",
    "Keyed",
    "Literal",
    "Named",
    "Scalar",
    "Sequence",
    "Stream",
    "Union",
]


@dataclass(frozen=True, slots=True)
class Anything:
    """Nothing is known of the value."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value without parts.

    Attributes:
        name: ``None``, ``bool``, ``int``, ``float``, ``complex``, ``str``, ``bytes``,
            ``bytearray``, ``datetime.datetime``, ``datetime.date``, ``datetime.time``,
            ``datetime.timedelta``, ``decimal.Decimal``, ``fractions.Fraction`` or
            ``uuid.UUID``.
    """

    name: str


@dataclass(frozen=True, slots=True)
class EnumMember:
    """A member of a described enumeration, among the values of a `Literal`.

    Attributes:
        enum: the key of the enumeration in the types of the description.
        name: the name of the member.
    """

    enum: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """One of a few values.

    Attributes:
        values: each is a bool, int, text, bytes, None or an `EnumMember`.
    """

    values: tuple[bool | int | str | bytes | EnumMember | None, ...]

    def __eq__(self, other: object) -> bool:
        # By their text, since 1 and True are not the same here.
        return isinstance(other, Literal) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True, slots=True)
class Sequence:
    """Any number of values of one kind.

    Attributes:
        kind: ``list``, ``tuple``, ``set``, ``frozenset`` or ``collections.deque``.
        item: what each of them is.
    """

    kind: str
    item: Annotation


@dataclass(frozen=True, slots=True)
class FixedTuple:
    """A tuple of as many values as there are annotations.

    Attributes:
        items: what the values are, in order.
    """

    items: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class Keyed:
    """A dictionary, or another mapping.

    Attributes:
        key: what the keys are.
        value: what the values are.
    """

    key: Annotation
    value: Annotation


@dataclass(frozen=True, slots=True)
class Union:
    """A value of one of several kinds.

    Attributes:
        options: these kinds, at least two, none of them a union itself.
    """

    options: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A described class or alias.

    Attributes:
        name: its key in the types of the description.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Stream:
    """An iterator or generator, asynchronous or not.

    Attributes:
        item: what it gives, one after the other.
        returned: what a generator returns at its end.
    """

    item: Annotation
    returned: Annotation


Annotation: TypeAlias = (
    Anything | Scalar | Literal | Sequence | FixedTuple | Keyed | Union | Named | Stream
)

ANYTHING: Final = Anything()
"""What stands for every part that is not known or not understood."""
