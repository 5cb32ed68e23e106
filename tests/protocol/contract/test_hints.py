from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pyro_protocol.contract.hints import hints_of

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found] # on purpose


class Base:
    level: int
    lost: Unknown


class Derived(Base):
    level: str  # type: ignore[assignment] # the point
    note: Annotated[int, "m"]


def test_annotations_are_resolved_with_all_that_is_said_in_them() -> None:
    def method(a: int, b: list[str] | None = None) -> Annotated[int, "m"]: ...  # type: ignore[empty-body] # never called

    assert hints_of(method) == {
        "a": int,
        "b": list[str] | None,
        "return": Annotated[int, "m"],
    }


def test_only_those_that_cannot_be_resolved_are_left_out() -> None:
    def method(a: int, b: Unknown) -> str: ...  # type: ignore[empty-body] # never called

    assert hints_of(method) == {"a": int, "return": str}
    assert hints_of(Derived) == {"level": str, "note": Annotated[int, "m"]}


def test_what_has_no_annotations_has_no_hints() -> None:
    assert hints_of(len) == {}
    assert hints_of(list.append) == {}
    assert hints_of(list) == {}
