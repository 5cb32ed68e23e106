"""Names in a program that stand for parts of Pyro4 or Pyro5, and their uses."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .names import FAMILIES, public_names

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Binding", "Use", "bindings_of", "uses_of"]

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Scope = _Function | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


@dataclass(eq=False, slots=True)
class Binding:
    """A name that an import statement gives to a part of Pyro.

    Attributes:
        name: the name.
        upstream: what it stands for, as the parts of a dotted name.
        statement: the import statement.
        alias: its part that is about this name.
        uses: where it is used.
    """

    name: str
    upstream: tuple[str, ...]
    statement: ast.Import | ast.ImportFrom
    alias: ast.alias
    uses: list[Use] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Use:
    """A place where such a name is used, with what is behind its dots.

    Attributes:
        name: the name.
        attributes: what is behind its dots, each of the one before.
        parts: what it stands for, as the parts of a dotted name of Pyro.
    """

    name: ast.Name
    attributes: tuple[ast.Attribute, ...]
    parts: tuple[str, ...]

    @property
    def nodes(self) -> tuple[ast.Name | ast.Attribute, ...]:
        """The name, and its attributes."""
        return self.name, *self.attributes


def bindings_of(
    tree: ast.Module, packages: Collection[str] = FAMILIES
) -> list[Binding]:
    """Return what the import statements of a program bind of some packages."""
    return [
        binding
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for binding in _bound_by(node, packages)
    ]


def _bound_by(
    node: ast.Import | ast.ImportFrom, packages: Collection[str]
) -> Iterator[Binding]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            parts = tuple(alias.name.split("."))
            if parts[0] not in packages:
                continue
            if alias.asname:
                yield Binding(alias.asname, parts, node, alias)
            else:
                yield Binding(parts[0], parts[:1], node, alias)
        return
    module = tuple((node.module or "").split("."))
    if node.level or module[0] not in packages:
        return
    for alias in node.names:
        if alias.name == "*":
            for name in public_names(".".join(module)):
                yield Binding(name, (*module, name), node, alias)
        else:
            yield Binding(
                alias.asname or alias.name, (*module, alias.name), node, alias
            )


def uses_of(tree: ast.Module, bindings: list[Binding]) -> None:
    """Find where names are used that were bound, and note it with them."""
    by_name: dict[str, Binding] = {}
    for binding in bindings:
        # Of several, such as in try and except, the first that is there counts.
        by_name.setdefault(binding.name, binding)
    _Users(by_name).visit(tree)


def _dotted(node: ast.expr) -> tuple[ast.Name, tuple[ast.Attribute, ...]] | None:
    """Return the nodes of a dotted name, from the left; None for anything else."""
    nodes: list[ast.Attribute] = []
    while isinstance(node, ast.Attribute):
        nodes.append(node)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return node, tuple(reversed(nodes))


class _Users(ast.NodeVisitor):
    """Walks through a program, and knows which names are local where it is."""

    def __init__(self, by_name: dict[str, Binding]) -> None:
        self._by_name = by_name
        self._hidden: list[frozenset[str]] = []

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, _SCOPES):
            self._visit_scope(node)
        elif isinstance(node, ast.Name | ast.Attribute):
            dotted = _dotted(node)
            if dotted is not None:
                self._take(*dotted)
            else:
                self.generic_visit(node)
        else:
            self.generic_visit(node)

    def _visit_scope(self, node: _Scope) -> None:
        # What is outside the function, such as defaults, is rarely called the same.
        self._hidden.append(_local_names(node))
        self.generic_visit(node)
        self._hidden.pop()

    def _take(self, name: ast.Name, attributes: tuple[ast.Attribute, ...]) -> None:
        binding = self._by_name.get(name.id)
        if binding is None or any(name.id in names for names in self._hidden):
            return
        if isinstance(name.ctx, ast.Store | ast.Del):
            return
        parts = (*binding.upstream, *(node.attr for node in attributes))
        binding.uses.append(Use(name, attributes, parts))


def _local_names(scope: _Scope) -> frozenset[str]:
    """Return the names that a function binds itself, other than by imports."""
    names: set[str] = set()
    elsewhere: set[str] = set()
    todo: list[ast.AST] = list(ast.iter_child_nodes(scope))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            elsewhere.update(node.names)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif not isinstance(node, _SCOPES):
            todo.extend(ast.iter_child_nodes(node))
    return frozenset(names - elsewhere)
