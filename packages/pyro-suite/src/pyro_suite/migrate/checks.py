"""What programs do that is to be done otherwise here, or comes out differently."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from .findings import Finding
from .names import OURS, meaning_of
from .settings import is_item, refusal_of, removed_item
from .source import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bindings import Binding, Use
    from .findings import Level
    from .source import Source

__all__ = ["Checks"]

_PICKLES: Final = frozenset({"pickle", "cloudpickle", "dill"})
# What the client of a name server has of a proxy.
_OF_NAME_SERVERS: Final = frozenset(
    {
        "_pyroBind",
        "_pyroClaimOwnership",
        "_pyroMethods",
        "_pyroRelease",
        "_pyroTimeout",
        "_pyroUri",
    }
)
_NOT_HERE: Final = "use what there is, such as errors.get_pyro_traceback()"
_BOOLEANS: Final = {0: False, 1: True}
_MODULE_TEXT: Final = re.compile(r"(class:)?Pyro[45](\.\w+)+\Z")
_VARIABLE_TEXT: Final = re.compile(r"PYRO_([A-Z0-9_]+)\Z")
# Special attributes, by whether they stop a program, and what to do.
_ATTRIBUTES: Final[dict[str, tuple[Level, str, str]]] = {
    "_pyroHmacKey": (
        "change",
        "keys for HMAC are not provided",
        "use TLS (config.SSL), or Daemon(authenticate=...) and proxy._pyroHandshake",
    ),
    "_pyroClaimOwnership": (
        "note",
        "any thread may use a proxy, and this does nothing",
        "leave it out",
    ),
    "_pyroMaxRetries": (
        "note",
        "a call is repeated only if it was not run, or its method is @idempotent",
        "mark what may run twice, or set proxy._pyroRetryPolicy to a RetryPolicy",
    ),
    "_pyroAnnotations": (
        "change",
        "proxies have no hook for annotations",
        "set current_context.annotations before the call",
    ),
    "_pyroResponseAnnotations": (
        "change",
        "proxies have no hook for annotations",
        "read current_context.response_annotations after the call",
    ),
}
_KEYWORDS: Final[dict[str, tuple[str, str]]] = {
    "hmac_key": (
        "keys for HMAC are not provided",
        "leave it out; use TLS (config.SSL), or NS_TOKEN for name servers",
    ),
    "as_lists": ("metadata is always sets", "leave it out"),
    "hmac": (
        "keys for HMAC are not provided",
        "leave it out; use TLS (config.SSL), or NS_TOKEN for name servers",
    ),
}


class Checks:
    """Looks through a program.

    Args:
        source: the program.
        bindings: the names in it that stand for parts of Pyro, with their uses.

    Attributes:
        findings: what was found.
        edits: changes that can be made.
    """

    def __init__(self, source: Source, bindings: list[Binding]) -> None:
        self.findings: list[Finding] = []
        self.edits: list[Edit] = []
        self._source = source
        self._paths: dict[ast.AST, str] = {}
        for binding in bindings:
            for use in binding.uses:
                self._note_path(use)
        self._parents = {
            child: parent
            for parent in ast.walk(source.tree)
            for child in ast.iter_child_nodes(parent)
        }
        # Variables that hold a client of a name server, or a name server.
        self._ns_clients: set[str] = set()
        self._ns_servers: set[str] = set()
        self._note_variables()
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute):
                self._check_attribute(node)
            elif isinstance(node, ast.Call):
                self._check_call(node)
            elif isinstance(node, ast.ClassDef):
                self._check_setters(node)
            elif isinstance(node, ast.FunctionDef):
                self._check_override(node)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self._check_text(node, node.value)

    def _note_path(self, use: Use) -> None:
        """Remember what each attribute of something known is, in terms of here."""
        meaning = meaning_of(use.parts)
        if meaning is None:
            if use.parts[0] == OURS and len(use.parts) > 1:
                what = f"{'.'.join(use.parts)} is not provided"
                self._add(use.name, "change", "missing", what, _NOT_HERE)
            return
        extra = len(use.parts) - len(use.nodes)
        for index in range(meaning.parts - 1, len(use.parts)):
            place = index - extra
            if 0 <= place < len(use.nodes):
                rest = use.parts[meaning.parts : index + 1]
                self._paths[use.nodes[place]] = ".".join((meaning.path, *rest))

    def _note_variables(self) -> None:
        for node in ast.walk(self._source.tree):
            if isinstance(node, ast.Assign):
                targets: list[ast.expr] = node.targets
                value: ast.expr = node.value
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                targets, value = [node.optional_vars], node.context_expr
            else:
                continue
            called = (
                self._paths.get(value.func) if isinstance(value, ast.Call) else None
            )
            for target in targets:
                if called == "locate_ns":
                    self._ns_clients.add(ast.unparse(target))
                elif called == "start_ns" and isinstance(target, ast.Tuple):
                    self._ns_servers.update(map(ast.unparse, target.elts[1:]))

    def _add(
        self, node: ast.expr | ast.stmt, level: Level, code: str, what: str, do: str
    ) -> None:
        column = self._source.column(node)
        self.findings.append(Finding(node.lineno, column, level, code, what, do))

    def _check_attribute(self, node: ast.Attribute) -> None:
        path = self._paths.get(node, "")
        if path.startswith("config.") and path.count(".") == 1:
            self._check_item(node, path.partition(".")[2])
            return
        if node.attr in _ATTRIBUTES:
            level, what, do = _ATTRIBUTES[node.attr]
            self._add(node, level, node.attr, what, do)
        if not node.attr.startswith("_pyro"):
            return
        if (
            ast.unparse(node.value) in self._ns_clients
            and node.attr not in _OF_NAME_SERVERS
        ):
            self._add(
                node,
                "change",
                "name-server-proxy",
                f"what locate_ns returns is no proxy, and has no {node.attr}",
                'use Proxy("PYRO:Pyro.NameServer@HOST:PORT") if you need one',
            )

    def _check_item(self, node: ast.Attribute, item: str) -> None:
        """Check the use of an item of the configuration."""
        statement = self._parents.get(node)
        value: ast.expr | None = None
        if isinstance(statement, ast.Assign) and node in statement.targets:
            value = statement.value
        if (removed := removed_item(item)) is not None:
            values = removed.harmless
            known = isinstance(value, ast.Constant)
            harmless = value is not None and (
                values is None
                or (isinstance(value, ast.Constant) and value.value in values)
            )
            if harmless and isinstance(statement, ast.Assign):
                what = f"there is no setting {item}, and this is what happens anyway"
                if len(statement.targets) == 1 and (known or values is None):
                    self._add(node, "rewrite", "setting", what, "leave it out")
                    start, end = self._source.range_of(statement)
                    self.edits.append(Edit(start, end, "pass"))
                    return
            do = removed.advice
            if item == "REQUIRE_EXPOSE" and (names := self._unexposed()):
                do += f"; in this file nothing is exposed of {', '.join(names)}"
            self._add(node, "change", "setting", f"there is no setting {item}", do)
        elif item.isupper() and not is_item(item):
            do = "see docs/configuration.md for what there is"
            self._add(node, "change", "setting", f"there is no setting {item}", do)
        elif item == "SERIALIZERS_ACCEPTED":
            self._check_accepted(node, value)
        elif value is not None:
            self._check_value(node, item, value)

    def _unexposed(self) -> list[str]:
        """Return the names of the classes of which nothing is marked."""
        return [
            node.name
            for node in self._source.tree.body
            if isinstance(node, ast.ClassDef)
            and not any(self._paths.get(one) == "expose" for one in ast.walk(node))
        ]

    def _check_value(self, node: ast.Attribute, item: str, value: ast.expr) -> None:
        try:
            plain = ast.literal_eval(value)
        except ValueError:
            return
        reason = refusal_of(item, plain)
        if reason is not None:
            truth = _BOOLEANS.get(plain) if type(plain) is int else None
            if truth is not None and refusal_of(item, truth) is None:
                self._add(node, "rewrite", "setting", reason, f"write {truth}")
                self.edits.append(Edit(*self._source.range_of(value), str(truth)))
            else:
                self._add(node, "change", "setting", reason, _other_value(item))
        elif item == "SERIALIZER":
            self._check_serializer(node, plain)
        elif item == "MAX_RETRIES" and plain:
            level, what, do = _ATTRIBUTES["_pyroMaxRetries"]
            self._add(node, level, "MAX_RETRIES", what, do)

    def _check_serializer(self, node: ast.expr, name: object) -> None:
        if name in _PICKLES:
            self._add(
                node,
                "note",
                "pickle",
                f"{name} runs any code that a peer sends; it stays chosen",
                f"servers have to accept it: config.SERIALIZERS_ACCEPTED = [{name!r}]; "
                "better leave it out, as the default serializer keeps every builtin "
                "type, dataclasses and numpy arrays",
            )
        elif name == "marshal":
            self._add(
                node,
                "change",
                "marshal",
                "servers do not accept marshal unless they are told to",
                "leave it out, as the default serializer is as fast; or add it to "
                "config.SERIALIZERS_ACCEPTED of the servers",
            )

    def _check_accepted(self, node: ast.Attribute, value: ast.expr | None) -> None:
        """Check what is done with the list of serializers, which was a set."""
        parent = self._parents.get(node)
        if isinstance(parent, ast.Attribute):
            if parent.attr == "add":
                end = self._source.range_of(parent)[1]
                self.edits.append(Edit(end - len("add"), end, "append"))
                what = "SERIALIZERS_ACCEPTED is a list, not a set"
                self._add(node, "rewrite", "setting", what, "write append")
                self._warn_of_pickles(self._parents.get(parent))
            elif parent.attr in {"discard", "update", "clear", "union"}:
                what = f"SERIALIZERS_ACCEPTED is a list, and has no {parent.attr}"
                do = "assign a list of names"
                self._add(node, "change", "setting", what, do)
        if value is None:
            return
        inner = value
        if (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name)
            and value.func.id in {"set", "frozenset"}
            and len(value.args) == 1
        ):
            inner = value.args[0]
        if isinstance(inner, ast.Set) or (
            inner is not value and isinstance(inner, ast.List | ast.Tuple)
        ):
            start, end = self._source.range_of(value)
            first, last = self._source.range_of(inner)
            content = self._source.text[first + 1 : last - 1]
            self.edits.append(Edit(start, end, f"[{content}]"))
            what = "SERIALIZERS_ACCEPTED is a list, not a set"
            self._add(node, "rewrite", "setting", what, "write a list")
        elif not isinstance(inner, ast.List | ast.Tuple):
            what = "SERIALIZERS_ACCEPTED has to be a list"
            self._add(node, "change", "setting", what, "assign a list of names")
        self._warn_of_pickles(value)

    def _warn_of_pickles(self, node: ast.AST | None) -> None:
        for one in ast.walk(node) if node is not None else ():
            if isinstance(one, ast.Constant) and one.value in _PICKLES:
                what = f"{one.value} runs any code that a client sends"
                do = "better leave it out, unless every machine can be trusted"
                self._add(one, "note", "pickle", what, do)

    def _check_call(self, node: ast.Call) -> None:
        called = self._paths.get(node.func, "")
        for keyword in node.keywords:
            if keyword.arg in _KEYWORDS and (called or keyword.arg == "as_lists"):
                what, do = _KEYWORDS[keyword.arg]
                self._add(keyword.value, "change", keyword.arg, what, do)
        if called in {"batch", "BatchProxy", "asyncproxy"} and node.args:
            self._check_proxy(node.args[0])
        if isinstance(node.func, ast.Attribute):
            self._check_method(node, node.func)
        if (
            isinstance(node.func, ast.Name)
            and node.func.id == "setattr"
            and len(node.args) == 3  # noqa: PLR2004 - what setattr takes
            and self._paths.get(node.args[0]) == "config"
            and isinstance(node.args[1], ast.Constant)
        ):
            item = str(node.args[1].value)
            if not is_item(item):
                removed = removed_item(item)
                do = removed.advice if removed else "see docs/configuration.md"
                what = f"there is no setting {item}"
                self._add(node, "change", "setting", what, do)

    def _check_proxy(self, node: ast.expr) -> None:
        """Report the client of a name server where a proxy is needed."""
        if ast.unparse(node) in self._ns_clients:
            what = "what locate_ns returns is no proxy"
            do = 'use Proxy("PYRO:Pyro.NameServer@HOST:PORT")'
            self._add(node, "change", "name-server-proxy", what, do)

    def _check_method(self, node: ast.Call, method: ast.Attribute) -> None:
        if method.attr == "list":
            self._check_search(node, method)
        elif method.attr == "combine":
            for argument in node.args:
                if ast.unparse(argument) in self._ns_servers:
                    self._add(
                        node,
                        "change",
                        "name-server-loop",
                        "what start_ns has started serves in a thread of its own",
                        "leave this call out",
                    )
        elif (
            method.attr in {"events", "handleRequest", "processRequest"}
            and ast.unparse(method.value) in self._ns_servers
        ):
            self._add(
                node,
                "change",
                "name-server-loop",
                "what start_ns has started serves in a thread of its own",
                "leave it out of your loop",
            )

    def _check_search(self, node: ast.Call, method: ast.Attribute) -> None:
        """Have a search by metadata call the method that is made for it."""
        names = {"metadata_all": "meta_all", "metadata_any": "meta_any"}
        searching = [one.arg for one in node.keywords if one.arg in names]
        if not searching:
            return
        what = "name servers are searched by metadata with yplookup"
        given = {one.arg for one in node.keywords}
        if node.args or not given <= {*names, "return_metadata"}:
            do = "call yplookup(meta_all=...) or yplookup(meta_any=...)"
            self._add(node, "change", "renamed", what, do)
            return
        self._add(node, "rewrite", "renamed", what, "write yplookup")
        end = self._source.range_of(method)[1]
        self.edits.append(Edit(end - len("list"), end, "yplookup"))
        for keyword in node.keywords:
            if keyword.arg in names:
                start = self._source.position(keyword.lineno, keyword.col_offset)
                stop = start + len(keyword.arg)
                self.edits.append(Edit(start, stop, names[keyword.arg]))
        if "return_metadata" not in given:
            stop = self._source.range_of(node.keywords[-1].value)[1]
            self.edits.append(Edit(stop, stop, ", return_metadata=False"))

    def _check_setters(self, node: ast.ClassDef) -> None:
        """Report setters that Pyro5 lets clients use for the mark of the getter."""
        if self._is_marked(node):
            return
        functions = [one for one in node.body if isinstance(one, ast.FunctionDef)]
        readable = {one.name for one in functions if self._is_marked(one)}
        for one in functions:
            setters = (
                mark
                for mark in one.decorator_list
                if isinstance(mark, ast.Attribute) and mark.attr == "setter"
            )
            if one.name in readable and any(setters) and not self._is_marked(one):
                self._add(
                    one,
                    "change",
                    "setter",
                    f"the setter of {one.name} is not exposed with its getter",
                    "mark it with @expose as well, below its other decorator, "
                    "if clients may set it",
                )

    def _is_marked(self, node: ast.ClassDef | ast.FunctionDef) -> bool:
        return any(self._paths.get(mark) == "expose" for mark in node.decorator_list)

    def _check_override(self, node: ast.FunctionDef) -> None:
        if node.name in {"_pyroAnnotations", "_pyroResponseAnnotations"}:
            level, what, do = _ATTRIBUTES[node.name]
            self._add(node, level, node.name, what, do)

    def _check_text(self, node: ast.Constant, text: str) -> None:
        if _MODULE_TEXT.match(text):
            self._add(
                node,
                "hint",
                "text",
                f"{text!r} may name a module",
                "if it is imported or run, name the one of pyro_suite; the classes in "
                "messages and in tags are those of Pyro5",
            )
        elif match := _VARIABLE_TEXT.match(text):
            for what, do in variable_hints(match[1]):
                self._add(node, "hint", "variable", what, do)


def variable_hints(item: str) -> Iterator[tuple[str, str]]:
    """Return what is to be said about an environment variable ``PYRO_`` + item."""
    if is_item(item):
        return
    removed = removed_item(item)
    if removed is not None:
        yield f"PYRO_{item} is ignored, with a warning", removed.advice


def _other_value(item: str) -> str:
    if item == "MAX_MESSAGE_SIZE":
        return "leave it out: the bound is 1 GiB then; or set one"
    if item == "BROADCAST_ADDRS":
        return "assign a list of texts"
    return "assign another value; see docs/configuration.md"
