"""The methods and attributes of a remote object, as source text of two protocols."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ..signatures import signature_of
from .annotations import alternatives
from .literals import docstring_lines, literal_text, literal_value, string_text
from .records import unknown_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_protocol.contract.described import (
        DescribedAttribute,
        DescribedField,
        DescribedMethod,
        Description,
    )

    from .annotations import AnnotationReader
    from .names import StubNames

__all__ = ["MemberWriter"]

_LINE_LENGTH: Final = 88
_INDENTATION: Final = "    "
_INNER: Final = "        "
_DEFAULT_LIMIT: Final = 40
"""How long the text of a default may be; a signature is not the place for tables."""

# By the kind of proxy: the special methods that it passes on.
_SPECIAL: Final = frozenset(
    [
        "__call__",
        "__contains__",
        "__delitem__",
        "__getitem__",
        "__iter__",
        "__len__",
        "__setitem__",
    ]
)
_ASYNC_SPECIAL: Final = frozenset({"__call__", "__iter__"})
# What the annotation of a parameter has to name for a default of a type to be shown.
_ACCEPTING: Final[dict[type, tuple[str, ...]]] = {
    type(None): ("None", "Optional", "object"),
    bool: ("bool", "int", "float", "complex", "object"),
    int: ("int", "float", "complex", "object"),
    float: ("float", "complex", "object"),
    str: ("str", "object"),
    bytes: ("bytes", "object"),
    tuple: ("Collection", "Iterable", "Sequence", "tuple", "object"),
}


class MemberWriter:
    """Writes the protocol for one kind of proxy.

    Args:
        names: how things are called.
        reader: reads annotations; it knows the name of this class.
        for_async: whether it is for asynchronous proxies.
        is_tight: whether no line is left free after a method without a docstring.
    """

    def __init__(
        self,
        names: StubNames,
        reader: AnnotationReader,
        *,
        for_async: bool,
        is_tight: bool,
    ) -> None:
        self._names = names
        self._reader = reader
        self._for_async = for_async
        self._is_tight = is_tight

    def lines(self, name: str, description: Description) -> list[str]:
        """Return the lines of the class."""
        lines = [f"class {name}({self._names.imported('typing', 'Protocol')}):"]
        if description.doc:
            lines.extend(docstring_lines(description.doc, _INDENTATION))
        special = _ASYNC_SPECIAL if self._for_async else _SPECIAL
        blocks = [
            *(
                self._attribute(one)
                for name, one in sorted(description.attributes.items())
                if name[0] != "_" and name not in description.methods
            ),
            *self._setter(description),
            *(
                self._method(one)
                for name, one in sorted(description.methods.items())
                if name[0] != "_" or name in special
            ),
        ]
        for block in blocks:
            if len(lines) > 1 and not (self._is_tight and lines[-1].endswith(": ...")):
                lines.append("")
            lines.extend(block)
        return lines if len(lines) > 1 else [f"{lines[0]} ..."]

    def _attribute(self, attribute: DescribedAttribute) -> list[str]:
        form = "AsyncIterator" if self._for_async else "Iterator"
        text = self._reader.stream_of(attribute.annotation, form, always=False)
        text = text or self._reader.read(attribute.annotation)
        comments = unknown_lines(self._reader, _INDENTATION)
        if not attribute.readable:
            comments.append(f"{_INDENTATION}# It can only be set.")
        if attribute.writable and not self._for_async:
            doc = docstring_lines(attribute.doc, _INDENTATION) if attribute.doc else []
            return [*comments, f"{_INDENTATION}{attribute.name}: {text}", *doc]
        if self._for_async:
            text = f"{self._names.imported('collections.abc', 'Awaitable')}[{text}]"
        decorator = f"{_INDENTATION}@{self._names.builtin('property')}"
        head = f"{_INDENTATION}def {attribute.name}"
        return [
            *comments,
            decorator,
            *_function(head, ["self"], text, attribute.doc),
        ]

    def _setter(self, description: Description) -> Iterator[list[str]]:
        names = [
            string_text(name)
            for name, one in sorted(description.attributes.items())
            if one.writable and name[0] != "_" and name not in description.methods
        ]
        if names and self._for_async:
            literal = self._names.imported("typing", "Literal")
            parameters = [
                "self",
                f"name: {literal}[{', '.join(names)}]",
                f"value: {self._reader.any}",
            ]
            head = f"{_INDENTATION}async def _pyro_set"
            yield _function(head, parameters, "None", "Set an attribute.")

    def _method(self, method: DescribedMethod) -> list[str]:
        form = "AsyncIterator" if self._for_async else "Iterator"
        is_stream = method.kind == "stream"
        returns = self._reader.stream_of(method.returns, form, always=is_stream)
        prefix = "async " if self._for_async and returns is None else ""
        if method.kind == "oneway":
            prefix, returns = "async " if self._for_async else "", "None"
        returns = returns or self._reader.read(method.returns)
        parameters = list(self._parameters(method))
        comments = unknown_lines(self._reader, _INDENTATION)
        if method.kind == "oneway":
            comments.append(f"{_INDENTATION}# One way: callers do not wait for it.")
        name = method.name
        if self._for_async and name == "__iter__":
            name = "__aiter__"
        head = f"{_INDENTATION}{prefix}def {name}"
        return [*comments, *_function(head, parameters, returns, method.doc)]

    def _parameters(self, method: DescribedMethod) -> Iterator[str]:
        yield "self"
        listed = method.parameters
        if listed is None or not _is_writable(method, listed):
            yield f"*args: {self._reader.any}"
            yield f"**kwargs: {self._reader.any}"
            return
        kinds = [one.kind for one in listed]
        last_positional = kinds.count("positional_only") - 1
        has_star = False
        for number, one in enumerate(listed):
            if one.kind == "keyword_only" and not has_star:
                yield "*"
            has_star |= one.kind in ("var_positional", "keyword_only")
            yield self._parameter(one)
            if number == last_positional:
                yield "/"

    def _parameter(self, parameter: DescribedField) -> str:
        stars = {"var_positional": "*", "var_keyword": "**"}.get(parameter.kind, "")
        annotation = self._reader.read(parameter.annotation)
        text = f"{stars}{parameter.name}: {annotation}"
        if parameter.default is None:
            return text
        default = self._reader.enum_member(parameter.default, annotation)
        return f"{text} = {default or _default(parameter.default, annotation)}"


def _is_writable(
    method: DescribedMethod, parameters: tuple[DescribedField, ...]
) -> bool:
    """Whether Python accepts the parameters after ``self`` within a class."""
    if any(one.name == "self" or one.name.startswith("__") for one in parameters):
        return False
    return signature_of(method) is not None


def _default(text: str, annotation: str) -> str:
    """Return the text of a default, ``...`` if it may not fit the annotation."""
    try:
        value: Any = literal_value(text)
        written = literal_text(value)
    except ValueError:
        return "..."
    accepting = _ACCEPTING.get(type(value), ())
    fits = not {"Any", "_Any", *accepting}.isdisjoint(alternatives(annotation))
    if isinstance(value, tuple) and value:
        fits = False
    elif "Literal[" in annotation:
        fits |= written in re.split(r"[\[\], ]+", annotation)
    return written if fits and len(written) <= _DEFAULT_LIMIT else "..."


def _function(
    head: str, parameters: list[str], returns: str, doc: str | None
) -> list[str]:
    """Return the lines of a function without a body."""
    end = f") -> {returns}:"
    body = [*docstring_lines(doc, _INNER), f"{_INNER}..."] if doc else []
    line = f"{head}({', '.join(parameters)}{end}"
    if len(line) + (0 if doc else len(" ...")) > _LINE_LENGTH:
        lines = [f"{head}(", *(f"{_INNER}{one}," for one in parameters)]
        lines.append(f"{_INDENTATION}{end}")
    else:
        lines = [line]
    if not body:
        lines[-1] += " ..."
    return [*lines, *body]
