"""The module of stubs as a whole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pyro_protocol.contract.described import is_usable_name

from .annotations import AnnotationReader
from .literals import docstring_lines
from .members import MemberWriter
from .names import StubNames
from .records import UNKNOWN, RecordWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_protocol.contract.described import Description

__all__ = ["stub_source"]

# Values of enumerations may be defaults of the others, so they come first.
_ORDER: Final = {"enum": 0, "alias": 1}
_NO_NAME: Final = "RemoteObject"


def stub_source(
    description: Description,
    *,
    about: str,
    class_name: str | None = None,
    for_stub_file: bool = False,
) -> str:
    """Return a module with a protocol for `Proxy` and one for `AsyncProxy`.

    It can be imported, and is a stub file as well.

    Args:
        description: what the server says of the object.
        about: the docstring of the module.
        class_name: what to call the class; without it, as the server does. The other
            one has ``Async`` before it.
        for_stub_file: whether to leave less room between the classes, as formatters do
            in files that end in ``.pyi``.

    Raises:
        ValueError: the name cannot be that of a class.
    """
    name = class_name or _class_name(description)
    if not is_usable_name(name) or name.startswith("_"):
        raise ValueError(f"not a name for a class: {name!r}")
    classes = [name, f"Async{name}"]
    types = _type_names(description, {*classes, UNKNOWN})
    names = StubNames(_member_names(description), {*classes, *types.values()})
    described = {path: description.types[path] for path in types}
    reader = AnnotationReader(names, types, described)
    records = RecordWriter(names, reader, types)
    ordered = sorted(
        described.values(),
        key=lambda one: (_ORDER.get(one.kind, 2), types[one.name]),
    )
    blocks = [records.lines(one) for one in ordered]
    protocols = []
    for own in classes:
        known = types
        if description.class_name is not None:
            # In each of the two classes the object's own class is that one.
            known = types | {description.class_name: own}
        writer = MemberWriter(
            names,
            AnnotationReader(names, known, described),
            for_async=own != name,
            is_tight=for_stub_file,
        )
        protocols.append(writer.lines(own, description))
    blocks.append(names.alias_lines(types.values()))
    blocks.extend(protocols)
    blocks.append(names.alias_lines(classes))
    unknown = records.unknown_lines()
    head = [
        docstring_lines(about, ""),
        ["from __future__ import annotations"],
        names.import_lines(),
        unknown,
    ]
    between = "\n\n" if for_stub_file else "\n\n\n"
    return between.join([_joined(head, "\n\n"), _joined(blocks, between)]) + "\n"


def _joined(parts: list[list[str]], between: str) -> str:
    return between.join("\n".join(lines) for lines in parts if lines)


def _class_name(description: Description) -> str:
    name = (description.class_name or "").rpartition(".")[2]
    return name if is_usable_name(name) and name[0] != "_" else _NO_NAME


def _type_names(description: Description, taken: set[str]) -> dict[str, str]:
    """Return what to call the described classes, by the text of annotations."""
    taken = set(taken)
    found: dict[str, str] = {}
    for path in sorted(description.types):
        parts = path.split(".")
        if path == description.class_name or not all(map(is_usable_name, parts)):
            continue
        name = parts[-1].lstrip("_")
        if not is_usable_name(name) or name in taken:
            name = re.sub(r"\W|^_+", "_", "_".join(parts)).strip("_")
        if is_usable_name(name) and name not in taken:
            taken.add(name)
            found[path] = name
    return found


def _member_names(description: Description) -> Iterator[str]:
    yield from description.methods
    yield from description.attributes
    for described in description.types.values():
        yield from (one.name for one in described.fields)
