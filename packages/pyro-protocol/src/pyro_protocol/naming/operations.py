"""The name server's operations: what is sent for each, and what comes back.

Both clients make their calls of these, so that they cannot disagree. Serializers
without sets or tuples send lists; what is read here has always the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from ..errors import PyroError, RemoteProtocolError
from ..uri import URI

__all__ = [
    "NAMESERVER_NAME",
    "Operation",
    "count",
    "find",
    "find_with_metadata",
    "list_names",
    "list_with_metadata",
    "ping",
    "register",
    "remove",
    "search",
    "search_with_metadata",
    "set_metadata",
]

NAMESERVER_NAME: Final = "Pyro.NameServer"
"""The name, and the object id, of every name server."""

Result = TypeVar("Result")
Tags = Iterable[str] | None


@dataclass(frozen=True, slots=True)
class Operation(Generic[Result]):
    """One call of the name server.

    Attributes:
        method: the name of the remote method.
        args: its arguments.
        repeatable: whether doing it twice has the effect and the result of doing
            it once.
        read: turns what arrives into the result.
    """

    method: str
    args: tuple[object, ...]
    repeatable: bool
    read: Callable[[Any], Result]

    def result(self, answer: object) -> Result:
        """Return the result that an answer stands for.

        Raises:
            RemoteProtocolError: no name server answers like that.
        """
        try:
            return self.read(answer)
        except (TypeError, ValueError, AttributeError, PyroError) as error:
            raise RemoteProtocolError(
                f"the name server's answer to {self.method} makes no sense: "
                f"{repr(answer)[:200]}"
            ) from error


def ping() -> Operation[None]:
    """Ask for a sign of life."""
    return Operation("ping", (), repeatable=True, read=_nothing)


def count() -> Operation[int]:
    """Ask for the number of registrations."""
    return Operation("count", (), repeatable=True, read=int)


def find(name: str) -> Operation[URI]:
    """Look up a name."""
    return Operation("lookup", (name,), repeatable=True, read=URI)


def find_with_metadata(name: str) -> Operation[tuple[URI, set[str]]]:
    """Look up a name and its metadata."""
    return Operation("lookup", (name, True), repeatable=True, read=_uri_with_metadata)


def register(
    name: str, uri: str | URI, metadata: Tags, *, safe: bool
) -> Operation[None]:
    """Register a name; with ``safe``, only if it is free.

    Raises:
        TypeError: the URI or the metadata is of a wrong type.
    """
    if not isinstance(uri, str | URI):
        raise TypeError(f"a uri must be text or a URI, not {type(uri).__name__}")
    args = (name, str(uri), safe, None if metadata is None else _tags(metadata))
    return Operation("register", args, repeatable=not safe, read=_nothing)


def set_metadata(name: str, metadata: Tags) -> Operation[None]:
    """Replace the metadata of a name.

    Raises:
        TypeError: the metadata is of a wrong type.
    """
    tags = [] if metadata is None else _tags(metadata)
    return Operation("set_metadata", (name, tags), repeatable=True, read=_nothing)


def remove(name: str | None, prefix: str | None, regex: str | None) -> Operation[int]:
    """Remove a name, or all that match."""
    args = (name, prefix, regex)
    return Operation("remove", args, repeatable=False, read=int)


def list_names(prefix: str | None, regex: str | None) -> Operation[dict[str, str]]:
    """List names and URIs."""
    return Operation("list", (prefix, regex), repeatable=True, read=_texts)


def list_with_metadata(
    prefix: str | None, regex: str | None
) -> Operation[dict[str, tuple[str, set[str]]]]:
    """List names, URIs and metadata."""
    args = (prefix, regex, True)
    return Operation("list", args, repeatable=True, read=_texts_with_metadata)


def search(meta_all: Tags, meta_any: Tags) -> Operation[dict[str, str]]:
    """Search by metadata.

    Raises:
        TypeError: the metadata is of a wrong type.
    """
    args = (*_criteria(meta_all, meta_any), False)
    return Operation("yplookup", args, repeatable=True, read=_texts)


def search_with_metadata(
    meta_all: Tags, meta_any: Tags
) -> Operation[dict[str, tuple[str, set[str]]]]:
    """Search by metadata, which is wanted too.

    Raises:
        TypeError: the metadata is of a wrong type.
    """
    args = (*_criteria(meta_all, meta_any), True)
    return Operation("yplookup", args, repeatable=True, read=_texts_with_metadata)


def _criteria(
    meta_all: Tags, meta_any: Tags
) -> tuple[list[str] | None, list[str] | None]:
    return (
        None if meta_all is None else _tags(meta_all),
        None if meta_any is None else _tags(meta_any),
    )


def _tags(metadata: Iterable[str]) -> list[str]:
    """Return tags as the one collection that every serializer has."""
    if isinstance(metadata, str):
        raise TypeError("metadata must be a collection of texts, not one text")
    tags = set(metadata)
    for tag in tags:
        if not isinstance(tag, str):
            raise TypeError(f"a metadata tag must be text, not {type(tag).__name__}")
    return sorted(tags)


def _nothing(_answer: object) -> None:
    return None


def _text(value: object) -> str:
    if not isinstance(value, str | URI):
        raise TypeError(f"a URI is missing: {value!r}")
    return str(value)


def _uri_with_metadata(answer: Any) -> tuple[URI, set[str]]:
    uri, metadata = answer
    return URI(uri), set(metadata)


def _texts(answer: Any) -> dict[str, str]:
    return {str(name): _text(uri) for name, uri in answer.items()}


def _texts_with_metadata(answer: Any) -> dict[str, tuple[str, set[str]]]:
    return {
        str(name): (_text(uri), set(metadata))
        for name, (uri, metadata) in answer.items()
    }
