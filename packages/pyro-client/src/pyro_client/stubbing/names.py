"""How the module of stubs calls what is not its own, and what it imports for that."""

from __future__ import annotations

import builtins
import collections.abc
import importlib
from typing import TYPE_CHECKING, Final

from pyro_protocol.contract.described import is_usable_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ARITIES", "StubNames", "is_builtin"]

ARITIES: Final = {
    **dict.fromkeys(("dict", "defaultdict", "OrderedDict", "ChainMap"), 2),
    **dict.fromkeys(("Mapping", "MutableMapping", "ItemsView", "AsyncGenerator"), 2),
    **dict.fromkeys(("list", "set", "frozenset", "deque", "Counter", "type"), 1),
    **dict.fromkeys(("Collection", "Container", "Iterable", "Iterator"), 1),
    **dict.fromkeys(("Reversible", "Sequence", "MutableSequence", "Set"), 1),
    **dict.fromkeys(("MutableSet", "KeysView", "ValuesView", "Awaitable"), 1),
    **dict.fromkeys(("AsyncIterable", "AsyncIterator", "PathLike", "array"), 1),
    **dict.fromkeys(("Pattern", "Match", "ExceptionGroup", "BaseExceptionGroup"), 1),
    **dict.fromkeys(("Generator", "Coroutine"), 3),
}
"""How many arguments the generic classes take that annotations may name."""

_LINE_LENGTH: Final = 88
_BUILTINS: Final = frozenset(
    [
        "bool",
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "memoryview",
        "object",
        "range",
        "set",
        "slice",
        "str",
        "tuple",
        "type",
    ]
) | {
    name
    for name, one in vars(builtins).items()
    if isinstance(one, type) and issubclass(one, BaseException)
}
_TYPING: Final = frozenset(
    [
        "Any",
        "Callable",
        "Hashable",
        "Literal",
        "LiteralString",
        "Never",
        "NoReturn",
        "Optional",
        "Self",
        "Sized",
        "SupportsAbs",
        "SupportsBytes",
        "SupportsComplex",
        "SupportsFloat",
        "SupportsIndex",
        "SupportsInt",
        "Union",
    ]
)
_ABSTRACT: Final = frozenset(collections.abc.__all__) - {"ByteString"}
# Other modules of the standard library that have classes of values. None of them does
# anything when it is imported.
_MODULES: Final = frozenset(
    [
        "array",
        "collections",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "ipaddress",
        "os",
        "pathlib",
        "re",
        "types",
        "uuid",
        "zoneinfo",
    ]
)


def is_builtin(name: str) -> bool:
    """Whether annotations mean a builtin by a name."""
    return name in _BUILTINS


class StubNames:
    """Spells names so that neither members nor other classes hide them.

    Args:
        taken: the names of all members and fields; within their class they hide what
            is outside.
        own: the names of the classes of the module.
    """

    def __init__(self, taken: Iterable[str], own: Iterable[str]) -> None:
        self._taken = frozenset(taken)
        self._own = frozenset(own)
        self._imports: set[str] = set()
        self._from: dict[str, set[str]] = {}
        self._aliases: set[str] = set()

    def builtin(self, name: str) -> str:
        """Return what a builtin is called here."""
        if name in self._taken or name in self._own:
            self._imports.add("import builtins as _builtins")
            return f"_builtins.{name}"
        return name

    def imported(self, module: str, name: str) -> str:
        """Return what a class of a module is called here."""
        if module in ("typing", "collections.abc"):
            hidden = name in self._taken or name in self._own
            spelled = f"{name} as _{name}" if hidden else name
            self._from.setdefault(module, set()).add(spelled)
            return f"_{name}" if hidden else name
        if module in self._taken or module in self._own:
            self._imports.add(f"import {module} as _{module}")
            return f"_{module}.{name}"
        self._imports.add(f"import {module}")
        return f"{module}.{name}"

    def own(self, name: str) -> str:
        """Return what a class of this module is called within a class."""
        if name in self._taken:
            self._aliases.add(name)
            return f"_class_{name}"
        return name

    def known(self, path: str) -> str | None:
        """Return what a class that annotations name is called here, if it is known.

        A name without a module may also be one that the server could not resolve.
        """
        module, _, name = path.rpartition(".")
        if not module and is_builtin(name):
            return self.builtin(name)
        if module in ("", "collections.abc") and name in _ABSTRACT:
            return self.imported("collections.abc", name)
        if module in ("", "typing") and name in _TYPING:
            return self.imported("typing", name)
        if module not in _MODULES or not is_usable_name(name) or name[0] == "_":
            return None
        found = getattr(importlib.import_module(module), name, None)
        return self.imported(module, name) if isinstance(found, type) else None

    def import_lines(self) -> list[str]:
        """Return the lines that import what was asked for."""
        lines = sorted(self._imports)
        for module, names in sorted(self._from.items()):
            line = f"from {module} import {', '.join(sorted(names))}"
            if len(line) <= _LINE_LENGTH:
                lines.append(line)
            else:
                listed = [f"    {name}," for name in sorted(names)]
                lines += [f"from {module} import (", *listed, ")"]
        return lines

    def alias_lines(self, classes: Iterable[str]) -> list[str]:
        """Return the lines that give some of these classes a second name."""
        return [
            f"_{one} = {one}" for one in sorted(self._aliases.intersection(classes))
        ]
