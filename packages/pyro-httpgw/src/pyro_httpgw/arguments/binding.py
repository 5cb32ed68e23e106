"""The arguments of a request, bound to the signature of a method.

How that is done is worked out once for each method of a description: a plan. All that
does not fit is found before the call, and told at once.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pyro_protocol.contract.described import NO_VALUE

from ..errors import RequestRefusedError
from .containers import ListValue
from .conversion import ANY_VALUE, Converter
from .json_input import check_class_keys
from .mismatches import (
    MOST_PROBLEMS,
    MismatchError,
    Misspelled,
    Problem,
    refuse,
)
from .reading import Arguments
from .unions import read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyro_protocol.contract.described import DescribedField, DescribedMethod

    from .converters import ConverterBook

__all__ = ["Bound", "MethodPlan", "too_deep"]

_VARIABLE_KINDS: Final = frozenset({"var_positional", "var_keyword"})
_POSITIONAL_KINDS: Final = frozenset({"positional_only", "positional_or_keyword"})


class Bound(NamedTuple):
    """The arguments that a method is called with.

    Attributes:
        args: the positional ones.
        kwargs: those by name.
    """

    args: list[Any]
    kwargs: dict[str, Any]


class _Slot(NamedTuple):
    """A parameter.

    Attributes:
        name: its name.
        converter: reads its values.
        parameter: what is known of it.
    """

    name: str
    converter: Converter
    parameter: DescribedField


@dataclass(slots=True)
class _Values:
    """What was found for the parameters of a method.

    Attributes:
        named: the values of parameters, by name.
        extra: what goes to ``*args``.
        others: what goes to ``**kwargs``.
        problems: what does not fit.
        seen: the names that are given.
    """

    named: dict[str, Any] = field(default_factory=dict)
    extra: list[Any] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)


class MethodPlan:
    """How the arguments for one method are found.

    Args:
        method: the method.
        book: the converters of its description.

    Attributes:
        method: the method.
    """

    def __init__(self, method: DescribedMethod, book: ConverterBook) -> None:
        self.method = method
        self._forget = book.forget
        parameters = method.parameters or ()
        slots = [_Slot(one.name, book.of(one.annotation), one) for one in parameters]
        by_kind: dict[str, list[_Slot]] = {}
        for slot in slots:
            by_kind.setdefault(slot.parameter.kind, []).append(slot)
        self._extra = next(iter(by_kind.get("var_positional", ())), None)
        self._others = next(iter(by_kind.get("var_keyword", ())), None)
        self._positional = [
            slot for slot in slots if slot.parameter.kind in _POSITIONAL_KINDS
        ]
        self._most_positional = (
            len(self._positional) if self._extra is None else sys.maxsize - 1
        )
        self._positional_only = len(by_kind.get("positional_only", ()))
        self._slots = {
            slot.name: slot
            for slot in slots
            if slot.parameter.kind not in _VARIABLE_KINDS
        }
        self._required = {
            name: slot
            for name, slot in self._slots.items()
            if slot.parameter.default is None
        }
        self._names_required = frozenset(self._required)
        # All that a plain request needs: names, and what reads their values.
        self._readers: dict[str, Callable[[list[str]], Any]] = {}
        if not self._positional_only:
            self._readers = {
                name: slot.converter.read_texts for name, slot in self._slots.items()
            }
        self._takes_call_form = self._slots.keys().isdisjoint({"args", "kwargs"})
        self._is_open = method.parameters is None

    def bind(self, arguments: Arguments, place: tuple[str | int, ...] = ()) -> Bound:
        """Return what the method is to be called with.

        Args:
            arguments: those of a request.
            place: where they are within the body, if they are not the whole of it.

        Raises:
            RequestRefusedError: they do not fit.
        """
        bound, problems = self.try_bind(arguments, place)
        if problems:
            raise refuse(self.method.name, problems)
        return bound

    def bind_query(self, texts: Mapping[str, list[str]]) -> Bound:
        """Return what the method is to be called with if there is a query alone.

        Raises:
            RequestRefusedError: it does not fit.
        """
        readers = self._readers
        kwargs = {}
        try:
            for name, values in texts.items():
                kwargs[name] = readers[name](values)
        except (KeyError, MismatchError, RecursionError):
            # The long way finds out all that is wrong.
            return self.bind(Arguments(texts))
        if not self._names_required <= kwargs.keys():
            return self.bind(Arguments(texts))
        self._forget()
        return Bound([], kwargs)

    def try_bind(
        self, arguments: Arguments, place: tuple[str | int, ...] = ()
    ) -> tuple[Bound, list[Problem]]:
        """Return what the method is to be called with, and what is wrong with that."""
        found = _Values()
        if self._is_open:
            bound = _bind_openly(arguments, found)
        else:
            try:
                self._read(arguments, found, ("body", *place))
            except RecursionError:
                raise too_deep() from None
            finally:
                self._forget()
            bound = self._assemble(found)
        if arguments.names_class:
            try:
                check_class_keys([bound.args, bound.kwargs])
            except ValueError as error:
                found.problems.append((("body", *place), str(error)))
        return bound, found.problems

    def _read(
        self, arguments: Arguments, found: _Values, body: tuple[str | int, ...]
    ) -> None:
        positional, keywords = arguments.positional, arguments.keywords
        args_place: tuple[str | int, ...] = (*body, "args")
        names_place = (*body, "kwargs") if arguments.is_call else body
        if arguments.body is not None and not self._takes_call_form:
            # The names are those of ordinary parameters.
            positional, keywords, names_place = [], arguments.body, body
        # One is enough to tell that there are too many.
        for index, value in enumerate(positional[: self._most_positional + 1]):
            self._add_positional(found, index, value, (*args_place, index))
        for name, value in keywords.items():
            self._add(found, name, value, "read_json", (*names_place, name))
        for name, texts in arguments.form.items():
            self._add(found, name, texts, "read_texts", (*body, name))
        for name, texts in arguments.texts.items():
            self._add(found, name, texts, "read_texts", ("query", name))
        if arguments.whole is not None:
            self._add_whole(found, arguments.whole)
        in_body = bool(positional or keywords or arguments.form)
        source = names_place if in_body else ("query",)
        for name in self._required:
            if name not in found.seen:
                found.problems.append(((*source, name), "is missing"))

    def _add_positional(
        self, found: _Values, index: int, value: Any, place: tuple[str | int, ...]
    ) -> None:
        if index < len(self._positional):
            slot = self._positional[index]
            found.seen.add(slot.name)
            self._convert(found, slot.name, slot, value, "read_json", place)
        elif self._extra is not None:
            if len(found.problems) >= MOST_PROBLEMS:
                return
            try:
                found.extra.append(self._extra.converter.read_json(value))
            except MismatchError as error:
                found.problems += error.within(*place)
        else:
            text = f"one too many: it takes {self._most_positional} by position at most"
            found.problems.append((place, text))

    def _add(
        self,
        found: _Values,
        name: str,
        value: Any,
        form: str,
        place: tuple[str | int, ...],
    ) -> None:
        if len(found.problems) >= MOST_PROBLEMS:
            return
        if name in found.seen:
            found.problems.append((place, "is given twice"))
            return
        found.seen.add(name)
        slot = self._slots.get(name)
        if slot is not None:
            self._convert(found, name, slot, value, form, place)
        elif self._extra is not None and name == self._extra.name:
            self._add_extra(found, value, form, place)
        elif self._others is not None:
            try:
                found.others[name] = getattr(self._others.converter, form)(value)
            except MismatchError as error:
                found.problems += error.within(*place)
        else:
            problem = Misspelled("is not a parameter", name, self._slots)
            found.problems.append((place, problem))

    def _convert(
        self,
        found: _Values,
        name: str,
        slot: _Slot,
        value: Any,
        form: str,
        place: tuple[str | int, ...],
    ) -> None:
        try:
            found.named[name] = getattr(slot.converter, form)(value)
        except MismatchError as error:
            found.problems += error.within(*place)

    def _add_extra(
        self, found: _Values, value: Any, form: str, place: tuple[str | int, ...]
    ) -> None:
        """Add what is given under the name of ``*args`` itself: a list of them."""
        assert self._extra is not None  # noqa: S101 - it was asked for
        try:
            found.extra += getattr(ListValue("list", self._extra.converter), form)(
                value
            )
        except MismatchError as error:
            found.problems += error.within(*place)

    def _add_whole(self, found: _Values, value: str | bytes) -> None:
        """Add a body that is one argument to the parameter that is open for it."""
        open_ = [slot for slot in self._slots.values() if slot.name not in found.seen]
        usable = [slot for slot in open_ if _takes(slot.converter, value)] or [
            slot for slot in open_ if slot.converter is ANY_VALUE
        ]
        needed = [slot for slot in usable if slot.name in self._required]
        if not value and not needed:
            # Browsers name a type where there is no body, too.
            return
        needed = needed or usable
        kind = "text" if isinstance(value, str) else "bytes"
        if not needed:
            raise RequestRefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"{self.method.name} has no parameter left that takes {kind}",
                "send the arguments as application/json",
            )
        if len(needed) > 1:
            names = ", ".join(slot.name for slot in needed)
            found.problems.append(
                (("body",), f"which of {names} is it? Give the others in the query")
            )
        slot = needed[0]
        found.seen.add(slot.name)
        found.named[slot.name] = read_whole(slot.converter, value)

    def _assemble(self, found: _Values) -> Bound:
        """Return the arguments in the places where the method takes them."""
        named = found.named
        count = len(self._positional) if found.extra else self._positional_only
        args: list[Any] = []
        missing: list[_Slot] = []
        for slot in self._positional[:count]:
            if slot.name not in named:
                missing.append(slot)
                continue
            for one in missing:
                self._fill(found, args, one)
            missing.clear()
            args.append(named.pop(slot.name))
        if found.extra:
            for one in missing:
                self._fill(found, args, one)
        return Bound(args + found.extra, {**named, **found.others})

    def _fill(self, found: _Values, args: list[Any], slot: _Slot) -> None:
        """Give a parameter its default, since one behind it is given by position."""
        value = slot.parameter.value
        args.append(None if value is NO_VALUE else value)
        if value is NO_VALUE and slot.name not in self._required:
            found.problems.append(
                (("body", slot.name), "has to be given, if what follows it is")
            )


def _takes(converter: Converter, value: str | bytes) -> bool:
    """Whether it is said that bytes, or text, are wanted."""
    if converter is ANY_VALUE:
        return False
    try:
        read_whole(converter, value)
    except MismatchError:
        return False
    return True


def _bind_openly(arguments: Arguments, found: _Values) -> Bound:
    """Return arguments of which nothing is known as they are."""
    kwargs = dict(arguments.keywords)
    places = ((("body",), arguments.form), (("query",), arguments.texts))
    for place, texts in places:
        for name, values in texts.items():
            if name in kwargs:
                found.problems.append(((*place, name), "is given twice"))
            kwargs[name] = ANY_VALUE.read_texts(values)
    args = list(arguments.positional)
    if arguments.whole:
        args.append(arguments.whole)
    return Bound(args, kwargs)


def too_deep() -> RequestRefusedError:
    """Return the refusal of a value that cannot be gone through."""
    return RequestRefusedError(HTTPStatus.BAD_REQUEST, "a value is nested too deeply")
