"""The plans for the methods of objects, made once for each description."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from ..errors import CallFailedError
from .binding import MethodPlan, too_deep
from .converters import ConverterBook
from .mismatches import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.contract.described import Description

    from .conversion import Converter

__all__ = ["ObjectPlan", "no_member", "plan_of"]

# As many objects as anybody looks at within a short time; a bound on memory.
_MOST_PLANS: Final = 1000

T = TypeVar("T")


class ObjectPlan:
    """The plans for the methods of one object, each made when it is first needed.

    Args:
        description: the object.

    Attributes:
        description: the same.
    """

    def __init__(self, description: Description) -> None:
        self.description = description
        self._book = ConverterBook(description.types)
        self._methods: dict[str, MethodPlan] = {}

    def method(self, name: str) -> MethodPlan | None:
        """Return the plan for a method; None if there is no such method."""
        plan = self._methods.get(name)
        if plan is None and name in self.description.methods:
            method = self.description.methods[name]
            plan = self._methods[name] = MethodPlan(method, self._book)
        return plan

    def read(self, annotation: str | None, reading: Callable[[Converter], T]) -> T:
        """Return what a value of an annotation becomes.

        Args:
            annotation: the annotation.
            reading: reads the value with a converter.

        Raises:
            RequestRefusedError: the value is nested too deeply.
        """
        try:
            return reading(self._book.of(annotation))
        except RecursionError:
            raise too_deep() from None
        finally:
            self._book.forget()


_plans: Final[dict[int, ObjectPlan]] = {}


def plan_of(description: Description) -> ObjectPlan:
    """Return the plan for an object, which is made once for its description."""
    plan = _plans.get(id(description))
    if plan is None:
        if len(_plans) >= _MOST_PLANS:
            _plans.clear()
        # It keeps the description, whose identity so remains its own.
        plan = _plans[id(description)] = ObjectPlan(description)
    return plan


def no_member(name: str, member: str, description: Description) -> CallFailedError:
    """Return the error for a method or attribute that an object does not have."""
    known = [*description.methods, *description.attributes]
    return CallFailedError(
        HTTPStatus.NOT_FOUND,
        AttributeError(
            f"remote object {name!r} has no exposed attribute or method {member!r}"
            + did_you_mean(member, known)
        ),
    )
