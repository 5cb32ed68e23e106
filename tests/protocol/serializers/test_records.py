from __future__ import annotations

from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from enum import Enum, Flag
from typing import Any, ClassVar, NamedTuple

import pytest
from msgpack import ExtType, packb

from pyro_protocol.errors import SerializeError
from pyro_protocol.serializers import register_class, serializers

NATIVE = serializers["native"]


def arrives(value: object) -> Any:
    return NATIVE.loads(NATIVE.dumps(value))


def received(letter: str, *parts: object) -> Any:
    return NATIVE.loads(packb([ExtType(1, letter.encode()), *parts]))


@dataclass
class Account:
    kind: ClassVar[str] = "account"
    owner: str
    balance: int = 0
    tags: list[str] = field(default_factory=list)
    history: list[int] = field(init=False, default_factory=list)
    _secret: str = field(default="s", repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.balance < 0:
            raise ValueError("no debts")


class Version(NamedTuple):
    major: int
    minor: int = 0


class Level(Enum):
    LOW = 1
    HIGH = 2


class Right(Flag):
    READ = 1
    WRITE = 2


@pytest.fixture(autouse=True)
def registered() -> None:
    register_class(Account, "Account")
    register_class(Version, "Version")
    register_class(Level, "Level")
    register_class(Right, "Right")


def test_all_fields_of_a_dataclass_travel_and_nothing_else() -> None:
    account = Account("me", 5, ["a"], _secret="hidden")
    account.history.append(7)
    account.extra = "stays"  # type: ignore[attr-defined] # not a field
    result = arrives(account)
    assert result == account
    assert result.history == [7]
    assert result._secret == "hidden"
    assert not hasattr(result, "extra")


def test_the_checks_of_a_class_run() -> None:
    with pytest.raises(
        SerializeError, match=r"Account .*ValueError: no debts"
    ) as caught:
        received("D", "Account", {"owner": "me", "balance": -1})
    assert isinstance(caught.value.__cause__, ValueError)


def test_unknown_fields_are_ignored_and_missing_ones_take_their_default() -> None:
    assert received("D", "Account", {"owner": "me", "new": 1}) == Account("me")
    assert received("N", "Version", {"major": 1, "new": 1}) == Version(1, 0)
    with pytest.raises(SerializeError, match="owner"):
        received("D", "Account", {"balance": 1})
    with pytest.raises(SerializeError, match="major"):
        received("N", "Version", {"minor": 1})


def test_names_that_are_no_text_are_no_fields() -> None:
    assert received("D", "Account", {"owner": "me", 5: 1, b"balance": 3}) == Account(
        "me"
    )
    with pytest.raises(SerializeError):
        received("D", "Account", {"self": 1})


def test_a_frozen_class_with_slots_is_built() -> None:
    @register_class
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Fixed:
        a: int
        twice: int = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "twice", 2 * self.a)

    assert arrives(Fixed(a=4)) == Fixed(a=4)


def test_a_variable_of_the_constructor_needs_a_default() -> None:
    @register_class
    @dataclass
    class Scaled:
        size: int
        factor: InitVar[int] = 1

        def __post_init__(self, factor: int) -> None:
            self.size *= factor

    @register_class
    @dataclass
    class Needy:
        size: int
        factor: InitVar[int]

        def __post_init__(self, factor: int) -> None:
            pass

    assert arrives(Scaled(2, 3)).size == 6
    with pytest.raises(SerializeError, match="factor"):
        arrives(Needy(1, 2))


def test_a_field_without_a_value_does_not_travel() -> None:
    account = Account("me", 3)
    del account.history
    assert arrives(account).history == []
    del account.owner
    with pytest.raises(SerializeError, match="owner"):
        arrives(account)


def test_a_dataclass_that_is_also_a_container_arrives_as_the_container() -> None:
    @dataclass
    class Odd(dict[str, int]):
        a: int = 0

    odd = Odd(1)
    odd["k"] = 5
    assert arrives(odd) == {"k": 5}


def test_every_kind_of_named_tuple_travels() -> None:
    old: Any = namedtuple("old", "a b", defaults=[1])  # noqa: PYI024 - the old kind
    register_class(old, "Old")

    class Derived(Version):
        __slots__ = ()

        @property
        def text(self) -> str:
            return f"{self.major}.{self.minor}"

    register_class(Derived, "Derived")
    assert arrives(old(5)) == old(5)
    assert arrives(Derived(1, 2)).text == "1.2"


def test_a_member_is_found_by_its_name_then_by_its_value() -> None:
    assert received("E", "Level", "LOW", 99) is Level.LOW
    assert received("E", "Level", "NEW", 2) is Level.HIGH
    assert received("E", "Level", None, 2) is Level.HIGH
    with pytest.raises(SerializeError, match=r"Level .*99"):
        received("E", "Level", "NEW", 99)
    assert received("E", "Right", "READ", 3) == Right.READ | Right.WRITE
    with pytest.raises(SerializeError):
        received("E", "Right", None, "x")


def test_a_name_of_another_kind_of_class_is_as_good_as_unknown() -> None:
    assert received("E", "Account", "A", 5) == 5
    assert received("E", "Version", "A", 5) == 5
    assert received("N", "Level", {"a": 5}) == (5,)
    assert received("N", "Account", {"a": 5}) == (5,)
    for name in ("Level", "Version"):
        with pytest.raises(SerializeError, match="unsupported"):
            received("D", name, {"a": 5})
