"""Records and members of enumerations whose classes the sender does not have.

A program that makes calls out of a description of an object, such as a gateway, knows
what the classes are called and what they consist of, and no more. What it sends in
their place arrives as if it had the class: as an object of it in the native format,
where the receiver has allowed the class (see `allowed`); in the other formats as what
an object of such a class is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from ..frozen import Frozen
from .wire_classes import CLASS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PLAIN_FORMS", "ForeignMember", "ForeignRecord"]

_set: Final = object.__setattr__


class ForeignRecord(Frozen):
    """Stands for an object of a dataclass or a NamedTuple of the receiver.

    Attributes:
        class_name: what the class is called on the wire: its module and name, or what
            it was registered as.
        fields: the values of its fields, by name; what has a default there may be left
            out.
        kind: ``dataclass`` or ``namedtuple``.
    """

    class_name: str
    fields: dict[str, Any]
    kind: Literal["dataclass", "namedtuple"] = "dataclass"

    # The usual one takes five times as long, and a call can hold many records.
    def __init__(
        self,
        class_name: str,
        fields: dict[str, Any],
        kind: Literal["dataclass", "namedtuple"] = "dataclass",
    ) -> None:
        _set(self, "class_name", class_name)
        _set(self, "fields", fields)
        _set(self, "kind", kind)

    def __hash__(self) -> int:
        return hash((self.class_name, frozenset(self.fields.items())))


class ForeignMember(Frozen):
    """Stands for a member of an enumeration of the receiver.

    Attributes:
        class_name: what the class is called on the wire.
        name: the name of the member; None if only the value is known, as of a
            combination of flags.
        value: its value; the receiver looks at it if it has no member of this name,
            and with flags.
    """

    class_name: str
    name: str | None
    value: Any = None


def _plain_record(record: ForeignRecord) -> object:
    if record.kind == "namedtuple":
        return tuple(record.fields.values())
    return {**record.fields, CLASS_KEY: record.class_name}


PLAIN_FORMS: Final[dict[type, Callable[[Any], object]]] = {
    ForeignRecord: _plain_record,
    ForeignMember: lambda member: member.value,
}
"""What they are in formats that do not know such classes."""
