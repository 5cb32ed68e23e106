"""Annotations of a description, as the module of stubs writes them."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from .literals import literal_text
from .names import ARITIES, is_builtin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyro_protocol.contract.described import DescribedType

    from .names import StubNames

__all__ = ["AnnotationReader", "alternatives"]

_TEXT_LIMIT: Final = 2_000
"""As long as servers send them."""

_NESTING_LIMIT: Final = 50
_STREAMS: Final = frozenset(
    {"Iterator", "Generator", "AsyncIterator", "AsyncGenerator"}
)
_LITERALS: Final = (bool, bytes, int, str, type(None))


class _UnknownError(Exception):
    """A part of an annotation is not understood."""


class AnnotationReader:
    """Reads annotations, letting through only what it understands.

    Args:
        names: how things are called.
        types: what the described classes are called here, by the text of annotations.
        described: these classes.

    Attributes:
        unknown: what became ``Any`` since this was cleared; as the server wrote it.
    """

    def __init__(
        self,
        names: StubNames,
        types: Mapping[str, str],
        described: Mapping[str, DescribedType],
    ) -> None:
        self._names = names
        self._types = types
        self._described = described
        # What the server could not resolve may be one of the described classes.
        self._short: dict[str, str] = {}
        for path in types:
            name = path.rpartition(".")[2]
            self._short[name] = "" if name in self._short else path
        self.unknown: list[str] = []
        self._is_known = True

    @property
    def any(self) -> str:
        """The text for anything."""
        return self._names.imported("typing", "Any")

    def read(self, text: str | None) -> str:
        """Return an annotation; ``Any`` for what there is none of."""
        if text is None:
            return self.any
        node = self._parsed(text)
        if node is None:
            self.unknown.append(text)
            return self.any
        return self._noted(node, text)

    def stream_of(self, text: str | None, form: str, *, always: bool) -> str | None:
        """Return the annotation of a stream, as the iterator that a client gets.

        Args:
            text: what the server's method returns.
            form: the class of the client's iterator, in `collections.abc`.
            always: whether it is a stream in any case; otherwise None is returned for
                what is none.
        """
        node = None if text is None else self._parsed(text)
        base = node.value if isinstance(node, ast.Subscript) else node
        path = None if base is None else _path(base)
        if path is None or path.rpartition(".")[2] not in _STREAMS:
            if not always:
                return None
            item = self.any
            if text is not None:
                self.unknown.append(text)
        elif isinstance(node, ast.Subscript) and text is not None:
            several = isinstance(node.slice, ast.Tuple) and node.slice.elts
            item = self._noted(several[0] if several else node.slice, text)
        else:
            item = self.any
        return f"{self._names.imported('collections.abc', form)}[{item}]"

    def enum_member(self, text: str, annotation: str | None = None) -> str | None:
        """Return what a member of a described enumeration is called here.

        None if it is not known, or if the annotation, as it was read, is of another
        class.
        """
        path, _, name = text.rpartition(".")
        described = self._described.get(path)
        if described is None or described.kind != "enum":
            return None
        if name not in (one.name for one in described.fields):
            return None
        called = self._names.own(self._types[path])
        if annotation is not None and called not in alternatives(annotation):
            return None
        return f"{called}.{name}"

    def _parsed(self, text: str) -> ast.expr | None:
        if len(text) <= _TEXT_LIMIT:
            try:
                return ast.parse(text, mode="eval").body
            except (SyntaxError, ValueError, MemoryError, RecursionError):
                pass
        return None

    def _noted(self, node: ast.expr, text: str) -> str:
        self._is_known = True
        found = self._text(node, _NESTING_LIMIT)
        if not self._is_known:
            self.unknown.append(text)
        return found

    def _text(self, node: ast.expr, depth: int) -> str:
        try:
            return self._read(node, depth)
        except _UnknownError:
            self._is_known = False
            return self.any

    def _read(self, node: ast.expr, depth: int) -> str:
        if not depth:
            raise _UnknownError
        if isinstance(node, ast.Constant):
            return self._constant(node.value, depth)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._whole(self._named(node))
        if isinstance(node, ast.Subscript):
            return self._generic(node, depth)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            left, right = (
                self._text(node.left, depth - 1),
                self._text(node.right, depth - 1),
            )
            return f"{left} | {right}"
        raise _UnknownError

    def _constant(self, value: object, depth: int) -> str:
        if value is None:
            return "None"
        if isinstance(value, str):
            node = self._parsed(value)
            if node is not None:
                return self._text(node, depth - 1)
        raise _UnknownError

    def _named(self, node: ast.expr) -> str:
        path = _path(node)
        if path is None:
            raise _UnknownError
        found = self._types.get(path)
        if found is None and not is_builtin(path):
            found = self._types.get(self._short.get(path) or path)
        if found is not None:
            return self._names.own(found)
        known = self._names.known(path)
        if known is None:
            raise _UnknownError
        return known

    def _whole(self, text: str) -> str:
        """Give a generic class that stands alone its arguments."""
        name = text.rpartition(".")[2].lstrip("_")
        if name == "tuple":
            return f"{text}[{self.any}, ...]"
        if name == "Callable":
            return f"{text}[..., {self.any}]"
        if text in self._types.values() or name not in ARITIES:
            return text
        return f"{text}[{', '.join([self.any] * ARITIES[name])}]"

    def _generic(self, node: ast.Subscript, depth: int) -> str:
        base = self._named(node.value)
        name = base.rpartition(".")[2].lstrip("_")
        inner = node.slice
        arguments = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if name == "Literal":
            return f"{base}[{', '.join(map(self._literal, arguments))}]"
        if name == "tuple" and not arguments:
            return f"{base}[()]"
        if not arguments:
            raise _UnknownError
        return f"{base}[{', '.join(self._argument(one, depth) for one in arguments)}]"

    def _argument(self, node: ast.expr, depth: int) -> str:
        if isinstance(node, ast.Constant) and node.value is ...:
            return "..."
        if isinstance(node, ast.List):
            return f"[{', '.join(self._text(one, depth - 1) for one in node.elts)}]"
        return self._text(node, depth - 1)

    def _literal(self, node: ast.expr) -> str:
        member = self.enum_member(_path(node) or "")
        if member is not None:
            return member
        try:
            value = ast.literal_eval(node)
            if type(value) in _LITERALS:
                return literal_text(value)
        except ValueError:
            pass
        raise _UnknownError


def alternatives(annotation: str) -> list[str]:
    """Return the names of the classes that an annotation, as it was read, allows."""
    parts = annotation.split(" | ")
    return [one.partition("[")[0].rpartition(".")[2] for one in parts]


def _path(node: ast.expr) -> str | None:
    """Return a dotted name, or None if it is anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(names)])
