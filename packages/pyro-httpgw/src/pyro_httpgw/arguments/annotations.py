"""Annotations of a description, read into a tree of what values may be.

The text comes from the other side, so nothing in it is taken for granted: it is bounded
in length and depth, never run, and what is not understood stands for anything.
"""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING, Final

from .annotation_tree import (
    ANYTHING,
    Annotation,
    Anything,
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyro_protocol.contract.described import DescribedType

__all__ = [
    "ANYTHING",
    "Annotation",
    "AnnotationReader",
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

_TEXT_LIMIT: Final = 2_000
"""As long as servers send them."""

_NESTING_LIMIT: Final = 50
"""As deep as servers write them."""

_ALIAS_LIMIT: Final = 50
"""How many aliases may stand for each other: more are a circle, or meant to be slow."""


_NONE: Final = Scalar("None")
_INT: Final = Scalar("int")

_SCALARS: Final = {
    **{
        name: Scalar(name)
        for name in (
            *("None", "bool", "int", "float", "complex", "str", "bytes", "bytearray"),
            *("datetime.datetime", "datetime.date", "datetime.time"),
            *("datetime.timedelta", "decimal.Decimal", "fractions.Fraction"),
            "uuid.UUID",
        )
    },
    "memoryview": Scalar("bytes"),
    "types.NoneType": _NONE,
}
# What a server could not resolve is as it was written, often without the module.
_SHORT_SCALARS: Final = {
    path.rpartition(".")[2]: scalar for path, scalar in _SCALARS.items()
} | {"LiteralString": Scalar("str"), "Buffer": Scalar("bytes")}

_FORM_MODULES: Final = frozenset(
    {"", "builtins", "collections", "collections.abc", "typing", "typing_extensions"}
)
_SEQUENCES: Final = {
    **dict.fromkeys(("list", "List", "Sequence", "MutableSequence"), "list"),
    **dict.fromkeys(("Iterable", "Collection", "Container", "Reversible"), "list"),
    **dict.fromkeys(("set", "Set", "MutableSet", "AbstractSet"), "set"),
    **dict.fromkeys(("frozenset", "FrozenSet"), "frozenset"),
    **dict.fromkeys(("deque", "Deque"), "collections.deque"),
}
_MAPPINGS: Final = frozenset(
    {
        *("dict", "Dict", "defaultdict", "DefaultDict", "OrderedDict"),
        *("Counter", "Mapping", "MutableMapping"),
    }
)
_STREAMS: Final = frozenset(
    {"AsyncGenerator", "AsyncIterable", "AsyncIterator", "Generator", "Iterator"}
)
# They say something about a variable, not about its values.
_WRAPPERS: Final = frozenset(
    {
        *("Annotated", "ClassVar", "Final", "InitVar"),
        *("NotRequired", "ReadOnly", "Required"),
    }
)
_LITERALS: Final = (bool, bytes, int, str, type(None))


class AnnotationReader:
    """Reads the annotations of one description.

    What has been read is kept, since the same annotations come again with every call.

    Args:
        types: the described classes and aliases, by the text of annotations.

    Attributes:
        types: the same.
    """

    def __init__(self, types: Mapping[str, DescribedType]) -> None:
        self.types = types
        self._read: dict[str, Annotation] = {}
        # What the server could not resolve may be one of the described classes.
        self._short: dict[str, str] = {}
        for path in types:
            name = path.rpartition(".")[2]
            self._short[name] = "" if name in self._short else path

    def read(self, text: str | None) -> Annotation:
        """Return what an annotation says; `ANYTHING` if there is none."""
        if text is None:
            return ANYTHING
        known = self._read.get(text)
        if known is None:
            known = self._read[text] = self._parse(text, _NESTING_LIMIT)
        return known

    def resolve(self, annotation: Annotation) -> Annotation:
        """Return what an alias stands for, and everything else as it is.

        So a `Named` that is returned is a record or an enumeration. Aliases that stand
        for themselves are `ANYTHING`.
        """
        for _step in range(_ALIAS_LIMIT):
            if not isinstance(annotation, Named):
                return annotation
            described = self.types[annotation.name]
            if described.kind != "alias":
                return annotation
            annotation = self.read(described.target)
        return ANYTHING

    def stream_item(self, text: str | None) -> Annotation:
        """Return what the items of a stream are, by the annotation of the stream."""
        found = self.resolve(self.read(text))
        return found.item if isinstance(found, Stream | Sequence) else ANYTHING

    def _parse(self, text: str, depth: int) -> Annotation:
        if len(text) > _TEXT_LIMIT:
            return ANYTHING
        try:
            node = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            return ANYTHING
        return self._annotation(node, depth)

    def _annotation(self, node: ast.expr, depth: int) -> Annotation:
        if not depth:
            return ANYTHING
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                return self._parse(node.value, depth - 1)
            return _NONE if node.value is None else ANYTHING
        if isinstance(node, ast.Subscript):
            return self._generic(node, depth)
        if isinstance(node, ast.BinOp):
            return self._union(_options(node), depth)
        path = _path(node)
        return ANYTHING if path is None else self._named(path)

    def _named(self, path: str) -> Annotation:
        named = self._described(path)
        if named is not None:
            return named
        scalar = _SCALARS.get(path)
        if scalar is not None:
            return scalar
        form = _form(path)
        if form in _SHORT_SCALARS:
            return _SHORT_SCALARS[form]
        return self._form(form, [], 1)

    def _described(self, path: str) -> Named | None:
        if path in self.types:
            return Named(path)
        known = None if hasattr(builtins, path) else self._short.get(path)
        return Named(known) if known else None

    def _generic(self, node: ast.Subscript, depth: int) -> Annotation:
        path = _path(node.value)
        if path is None:
            return ANYTHING
        named = self._described(path)
        if named is not None:
            return named
        inner = node.slice
        arguments = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        form = _form(path)
        if form == "Literal":
            return self._literal(arguments)
        if form in ("tuple", "Tuple") and not arguments:
            return FixedTuple(())
        return self._form(form, arguments, depth)

    def _form(self, form: str, arguments: list[ast.expr], depth: int) -> Annotation:
        """Return what a generic class means with these arguments, perhaps none."""

        def argument(position: int) -> Annotation:
            if position >= len(arguments):
                return ANYTHING
            return self._annotation(arguments[position], depth - 1)

        if form in _SEQUENCES:
            return Sequence(_SEQUENCES[form], argument(0))
        if form in _MAPPINGS:
            return Keyed(argument(0), argument(1) if form != "Counter" else _INT)
        if form in _STREAMS:
            return Stream(argument(0), argument(2) if form == "Generator" else _NONE)
        if form in ("tuple", "Tuple"):
            return self._tuple(arguments, depth)
        if form in ("Optional", "Union"):
            last = [ast.Constant(None)] if form == "Optional" else []
            return self._union([*arguments, *last] if arguments else [], depth)
        return argument(0) if form in _WRAPPERS else ANYTHING

    def _tuple(self, arguments: list[ast.expr], depth: int) -> Annotation:
        *before, last = arguments or [ast.Constant(...)]
        if isinstance(last, ast.Constant) and last.value is ...:
            item = self._annotation(before[0], depth - 1) if before else ANYTHING
            return Sequence("tuple", item)
        return FixedTuple(
            tuple(self._annotation(argument, depth - 1) for argument in arguments)
        )

    def _union(self, nodes: list[ast.expr], depth: int) -> Annotation:
        options: dict[Annotation, None] = {}
        for node in nodes:
            option = self._annotation(node, depth - 1)
            several = option.options if isinstance(option, Union) else (option,)
            options.update(dict.fromkeys(several))
        if not options:
            return ANYTHING
        first, *others = options
        return Union((first, *others)) if others else first

    def _literal(self, nodes: list[ast.expr]) -> Annotation:
        try:
            values = tuple(map(self._literal_value, nodes))
        except ValueError:
            return ANYTHING
        return Literal(values) if values else ANYTHING

    def _literal_value(
        self, node: ast.expr
    ) -> bool | int | str | bytes | EnumMember | None:
        """Return a value of a literal.

        Raises:
            ValueError: it is none that a literal may have.
        """
        path, _dot, name = (_path(node) or "").rpartition(".")
        enum = self._described(path) if path else None
        if enum is not None:
            described = self.types[enum.name]
            if described.kind == "enum" and any(
                member.name == name for member in described.fields
            ):
                return EnumMember(enum.name, name)
        value = ast.literal_eval(node)
        if not isinstance(value, _LITERALS):
            raise ValueError("not a literal")
        return value


def _options(node: ast.expr) -> list[ast.expr]:
    """Return what stands between the bars of a union; nothing for other operators.

    The tree of a long union is deep on its left side.
    """
    options: list[ast.expr] = []
    for part in _bars(node):
        if part is None:
            return []
        options.append(part)
    return options[::-1]


def _bars(node: ast.expr) -> Iterator[ast.expr | None]:
    while isinstance(node, ast.BinOp):
        yield node.right if isinstance(node.op, ast.BitOr) else None
        node = node.left
    yield node


def _form(path: str) -> str:
    """Return the name of a generic class that is known, or ``""``."""
    module, _dot, name = path.rpartition(".")
    return name if module in _FORM_MODULES else ""


def _path(node: ast.expr) -> str | None:
    """Return a dotted name, or None if it is anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(names)])
