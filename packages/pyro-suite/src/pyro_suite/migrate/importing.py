"""Rewriting import statements, and the names that they bind."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from .findings import Finding
from .names import Meaning, advice_for_missing, meaning_of, own_path
from .source import Edit

if TYPE_CHECKING:
    from .bindings import Binding, Use
    from .source import Source

__all__ = ["Rewriter"]

_ROOT = "pyro_suite"
_Statement = ast.Import | ast.ImportFrom


class _New(NamedTuple):
    """A name to be imported: from a module, or the module itself if that is None."""

    module: str | None
    name: str
    asname: str | None = None

    def __str__(self) -> str:
        text = self.name + (f" as {self.asname}" if self.asname else "")
        return f"from {self.module} import {text}" if self.module else f"import {text}"


def _from(path: str, asname: str | None = None) -> _New:
    """Return the import of what is at a path in ``pyro_suite``."""
    place, _, name = path.rpartition(".")
    if not place:
        module = _ROOT
    elif place == "errors":
        module = "pyro_protocol.errors"
    else:
        raise ValueError(f"nothing can be imported from {place}")
    return _New(module, name, None if asname == name else asname)


class Rewriter:
    """Works out what is to become of imports, and of the names that they bind.

    Args:
        source: the file.
        bindings: what its imports bind, with their uses.

    Attributes:
        edits: the changes.
        findings: what they are, and what cannot be changed.
        as_is: names that mean the same here, and how often they are used.
    """

    def __init__(self, source: Source, bindings: list[Binding]) -> None:
        self.edits: list[Edit] = []
        self.findings: list[Finding] = []
        self.as_is: Counter[str] = Counter()
        self._source = source
        self._names = {
            node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name)
        }
        self._stored = {
            node.id
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        self._texts = {
            node.value
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        # The statements that are always run, and the modules that they import.
        self._top = frozenset(source.tree.body)
        self._imported: set[_New] = set()
        statements: dict[_Statement, list[Binding]] = defaultdict(list)
        for binding in bindings:
            statements[binding.statement].append(binding)
        # What the names stand for is the same in all statements that bind them.
        uses: dict[str, list[Use]] = defaultdict(list)
        for binding in bindings:
            uses[binding.name].extend(binding.uses)
        self._uses = uses
        self._modules = {
            tuple(binding.alias.name.split("."))
            for binding in bindings
            if isinstance(binding.statement, ast.Import) and not binding.alias.asname
        }
        for statement, bound in statements.items():
            self._rewrite(statement, bound)

    def _rewrite(self, statement: _Statement, bound: list[Binding]) -> None:
        kept: list[Binding] = []
        new: dict[ast.alias, list[_New]] = {}
        for binding in bound:
            imports, keep = self._decide(binding)
            if keep:
                kept.append(binding)
            if imports or not keep:
                new.setdefault(binding.alias, []).extend(imports)
        if not new:
            return
        if statement in self._top:
            new = {alias: self._not_yet(ones) for alias, ones in new.items()}
        kept_aliases = {binding.alias for binding in kept}
        before = self._source.text_of(statement)
        edits = self._statement_edits(statement, new, kept_aliases)
        self.edits.extend(edits)
        if edits:
            self.findings.append(
                self._finding(
                    statement,
                    "rewrite",
                    "import",
                    f"{' '.join(before.split())} imports what pyro_suite has",
                    f"write {after}" if (after := _after(new)) else "leave it out",
                )
            )

    def _not_yet(self, imports: list[_New]) -> list[_New]:
        """Leave out modules that statements before have imported."""
        modules = {one for one in imports if one.module is None}
        result = [one for one in imports if one not in self._imported]
        self._imported |= modules
        return result

    def _decide(self, binding: Binding) -> tuple[list[_New], bool]:
        """Return what takes the place of an import, and whether it stays as well."""
        if binding.alias.name == "*":
            return self._decide_star(binding)
        meaning = meaning_of(binding.upstream)
        if meaning is not None and meaning.parts == len(binding.upstream):
            return self._decide_name(binding, meaning)
        place = own_path(".".join(binding.upstream))
        if place is None and len(binding.upstream) > 1:
            self._report_missing(binding)
            return [], True
        return self._decide_module(binding, place or "")

    def _decide_star(self, binding: Binding) -> tuple[list[_New], bool]:
        """Decide about one of all the names of a module."""
        meaning = meaning_of(binding.upstream)
        path = meaning.path if meaning else binding.name
        self._rewrite_uses(binding, path.rpartition(".")[2])
        module = "pyro_protocol.errors" if path.startswith("errors.") else _ROOT
        return [_New(module, "*")], False

    def _decide_name(
        self, binding: Binding, meaning: Meaning
    ) -> tuple[list[_New], bool]:
        """Decide about what was imported by its own name, and not a module."""
        name = meaning.path.rpartition(".")[2]
        for use in binding.uses:
            if meaning_of(use.parts) is None:
                self._report_missing_use(use)
        if binding.alias.asname or name == binding.upstream[-1]:
            self._rewrite_uses(binding, binding.name)
            return [_from(meaning.path, binding.alias.asname)], False
        free = name not in self._names and binding.name not in self._stored
        exported = binding.name in self._texts
        if not free or exported or not self._uses[binding.name]:
            # Others may know it by its old name.
            self._rewrite_uses(binding, binding.name)
            return [_from(meaning.path, binding.name)], False
        self._rewrite_uses(binding, name)
        return [_from(meaning.path)], False

    def _decide_module(self, binding: Binding, place: str) -> tuple[list[_New], bool]:
        """Decide about a module: ``place`` is where in pyro_suite its names are."""
        uses = self._uses[binding.name]
        chosen = binding.alias.asname
        missing = [use for use in uses if not self._is_here(use, chosen, place)]
        for use in missing:
            self._report_missing_use(use)
        if missing:
            # The name goes on to stand for the module that has the rest.
            self._rewrite_uses(binding, None)
            imports = [_New(None, _ROOT)] if len(missing) < len(uses) else []
            return imports, self._is_needed(binding, missing)
        if chosen and place:
            self._rewrite_uses(binding, chosen, place)
            return [_from(place, chosen)], False
        self._rewrite_uses(binding, chosen)
        return [_New(None, _ROOT, chosen)], False

    def _is_needed(self, binding: Binding, missing: list[Use]) -> bool:
        """Return whether names that are not here come from this very import."""
        if isinstance(binding.statement, ast.ImportFrom) or binding.alias.asname:
            return True
        own = tuple(binding.alias.name.split("."))
        for use in missing:
            fitting = [one for one in self._modules if use.parts[: len(one)] == one]
            if own == max(fitting, key=len, default=own):
                return True
        return False

    @staticmethod
    def _is_here(use: Use, chosen: str | None, place: str) -> bool:
        meaning = meaning_of(use.parts)
        if meaning is None:
            # The module itself, under the name that the program has given it.
            return bool(chosen) and len(use.nodes) == 1
        return not (chosen and place) or meaning.path.startswith(f"{place}.")

    def _rewrite_uses(
        self, binding: Binding, root: str | None, place: str = ""
    ) -> None:
        """Have the uses of a name say what it is called here.

        Args:
            binding: the name.
            root: what stands for pyro_suite, or what is at ``place`` in it, or the
                name itself; None for ``pyro_suite``.
            place: see above.
        """
        own = meaning_of(binding.upstream)
        for use in binding.uses:
            meaning = meaning_of(use.parts)
            if meaning is None:
                continue
            node = use.nodes[meaning.parts - len(binding.upstream)]
            old = self._source.text_of(node)
            if own is not None and root is not None and not place:
                text = root + meaning.path.removeprefix(own.path)
            else:
                text = f"{root or _ROOT}.{meaning.path.removeprefix(f'{place}.')}"
            was, becomes = use.parts[meaning.parts - 1], meaning.path.rpartition(".")[2]
            if was == becomes or text == old:
                self.as_is[becomes] += 1
            else:
                self.findings.append(
                    self._finding(
                        node,
                        "rewrite",
                        "renamed",
                        f"{old} has another name",
                        f"write {text}",
                    )
                )
            if text != old:
                self.edits.append(Edit(*self._source.range_of(node), text))

    def _report_missing(self, binding: Binding) -> None:
        dotted = ".".join(binding.upstream)
        advice = advice_for_missing(binding.upstream)
        self.findings.append(
            self._finding(
                binding.alias, "change", "missing", f"{dotted} is not provided", advice
            )
        )

    def _report_missing_use(self, use: Use) -> None:
        if len(use.nodes) == 1:
            message = f"{'.'.join(use.parts)} is used as a value, which is not followed"
            advice = "see what it is used for"
        else:
            message = f"{'.'.join(use.parts)} is not provided"
            advice = advice_for_missing(use.parts)
        self.findings.append(
            self._finding(use.nodes[0], "change", "missing", message, advice)
        )

    def _finding(
        self,
        node: ast.expr | ast.stmt | ast.alias,
        level: str,
        code: str,
        message: str,
        advice: str,
    ) -> Finding:
        column = self._source.column(node)
        return Finding(node.lineno, column, level, code, message, advice)  # type: ignore[arg-type] # a level

    def _statement_edits(
        self,
        statement: _Statement,
        new: dict[ast.alias, list[_New]],
        kept: set[ast.alias],
    ) -> list[Edit]:
        """Return how the statement becomes the imports that are to be there."""
        others = [alias for alias in statement.names if alias not in new]
        if isinstance(statement, ast.Import) or statement.names[0].name == "*":
            return self._written_anew(statement, new, [*others, *kept])
        return self._regrouped(statement, new, [*others, *kept])

    def _written_anew(
        self,
        statement: _Statement,
        new: dict[ast.alias, list[_New]],
        staying: list[ast.alias],
    ) -> list[Edit]:
        texts = []
        if staying:
            texts.append("import " + ", ".join(map(self._source.text_of, staying)))
        texts.extend(str(one) for ones in new.values() for one in ones)
        texts = list(dict.fromkeys(texts))
        start, end = self._source.range_of(statement)
        if not texts:
            return [self._source.line_of(statement)]
        text = self._separator(start).join(texts)
        return [] if text == self._source.text[start:end] else [Edit(start, end, text)]

    def _regrouped(
        self,
        statement: ast.ImportFrom,
        new: dict[ast.alias, list[_New]],
        staying: list[ast.alias],
    ) -> list[Edit]:
        """Keep the statement for most of its names, and put others before it."""
        groups: dict[str | None, list[ast.alias]] = defaultdict(list)
        for alias in statement.names:
            if new.get(alias) and alias not in staying:
                (only,) = new[alias]
                groups[only.module].append(alias)
        before = [
            str(one)
            for alias, ones in new.items()
            for one in ones
            if one.module is None or alias in staying
        ]
        groups.pop(None, None)
        names = max(groups, key=lambda key: len(groups[key]), default=None)
        if staying:
            main = staying
            edits = []
        elif names is None:
            return self._written_anew(statement, new, [])
        else:
            main = groups.pop(names)
            edits = [Edit(*self._module_range(statement), names)]
            for alias in main:
                (only,) = new[alias]
                text = only.name + (f" as {only.asname}" if only.asname else "")
                if text != " ".join(self._source.text_of(alias).split()):
                    edits.append(Edit(*self._source.range_of(alias), text))
        for module, aliases in groups.items():
            parts = [str(new[alias][0]).partition(" import ")[2] for alias in aliases]
            before.append(f"from {module} import {', '.join(parts)}")
        edits += self._without(statement, [a for a in statement.names if a not in main])
        if before:
            start, _end = self._source.range_of(statement)
            separator = self._separator(start)
            lines = "".join(line + separator for line in dict.fromkeys(before))
            edits.append(Edit(start, start, lines))
        return edits

    def _separator(self, start: int) -> str:
        """Return what divides a new statement from the one at a position."""
        indentation = self._source.indentation(start)
        return "; " if indentation is None else self._source.newline + indentation

    def _module_range(self, statement: ast.ImportFrom) -> tuple[int, int]:
        """Return where the name of the module is."""
        start, _end = self._source.range_of(statement)
        places = [start + place for place in _module_places(statement, self._source)]
        return places[0], places[-1]

    def _without(self, statement: _Statement, gone: list[ast.alias]) -> list[Edit]:
        """Take names out of a list of names, each with the comma behind it."""
        edits = []
        aliases = statement.names
        for index, alias in enumerate(aliases):
            if alias not in gone:
                continue
            start, end = self._source.range_of(alias)
            if any(other not in gone for other in aliases[index + 1 :]):
                end = self._source.range_of(aliases[index + 1])[0]
                between = self._source.text[self._source.range_of(alias)[1] : end]
                if "#" in between:
                    # The comment stays where it is.
                    end = self._source.range_of(alias)[1] + between.index(",") + 1
            else:
                start = self._source.range_of(aliases[index - 1])[1]
            edits.append(Edit(start, end, ""))
        return edits


def _module_places(statement: ast.ImportFrom, source: Source) -> list[int]:
    """Return where the parts of a module's name begin and end in its statement."""
    lines = [0]
    text = source.text_of(statement)
    for line in io.StringIO(text, newline=""):
        lines.append(lines[-1] + len(line))
    places: list[int] = []
    tokens = tokenize.generate_tokens(io.StringIO(text, newline="").readline)
    next(tokens)
    for token in tokens:
        if token.string == "import":
            break
        if token.type in {tokenize.NAME, tokenize.OP}:
            for line_number, column in (token.start, token.end):
                places.append(lines[line_number - 1] + column)
    return places


def _after(new: dict[ast.alias, list[_New]]) -> str:
    """Return the imports that are to be there, in a line."""
    texts: dict[str, None] = {}
    names: dict[str, list[str]] = defaultdict(list)
    for one in (one for ones in new.values() for one in ones):
        if one.module is None:
            texts[str(one)] = None
        else:
            names[one.module].append(str(one).partition(" import ")[2])
    for module, imported in names.items():
        texts[f"from {module} import {', '.join(imported)}"] = None
    return "; ".join(texts)
