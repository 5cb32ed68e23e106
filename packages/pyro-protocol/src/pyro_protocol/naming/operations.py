"""The name server's operations: what is sent for each, and what comes back.

Both clients make their calls of these, so that they cannot disagree. Serializers
without sets or tuples send lists; what is read here has always the same types.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any, Final, Generic, TypeVar

from ..config import config
from ..errors import PyroError, RemoteProtocolError
from ..uri import URI, uri_of
from .records import Changes, NameEntry, Page, changes_of, entry_of, page_of

__all__ = [
    "NAMESERVER_NAME",
    "Operation",
    "changes",
    "count",
    "criteria",
    "describe",
    "find",
    "find_with_metadata",
    "list_names",
    "list_with_metadata",
    "page",
    "ping",
    "position",
    "register",
    "remove",
    "renew",
    "search",
    "search_with_metadata",
    "set_metadata",
]

NAMESERVER_NAME: Final = "Pyro.NameServer"
"""The name, and the object id, of every name server."""

# The method by which name servers are known that take ttl, owner and force.
_LEASES: Final = "renew"

Result = TypeVar("Result")
Tags = Iterable[str] | None


class Operation(Generic[Result]):
    """One call of the name server.

    Attributes:
        method: the name of the remote method.
        args: its arguments.
        repeatable: whether doing it twice has the effect and the result of doing
            it once.
        read: turns what arrives into the result.
        needs: the method that a name server has which can do this; empty if all can.
        quick: a method of our name servers with the same arguments, whose answer is
            written and read quicker; empty if there is none.
        wait: how many seconds the name server may let pass on purpose.
    """

    __slots__ = ("args", "method", "needs", "quick", "read", "repeatable", "wait")

    def __init__(
        self,
        method: str,
        args: tuple[object, ...],
        *,
        repeatable: bool,
        read: Callable[[Any], Result],
        needs: str = "",
        quick: str = "",
        wait: float = 0.0,
    ) -> None:
        self.method: str = method
        self.args: tuple[object, ...] = args
        self.repeatable: bool = repeatable
        self.read: Callable[[Any], Result] = read
        self.needs: str = needs
        self.quick: str = quick
        self.wait: float = wait

    def method_of(self, methods: Collection[str]) -> str:
        """Return the method to call, of those that a name server has."""
        return self.quick if self.quick and self.quick in methods else self.method

    def result(self, answer: object) -> Result:
        """Return the result that an answer stands for.

        Raises:
            RemoteProtocolError: no name server answers like that.
        """
        try:
            return self.read(answer)
        except (
            TypeError,
            ValueError,
            AttributeError,
            LookupError,
            ArithmeticError,
            PyroError,
        ) as error:
            raise RemoteProtocolError(
                f"the name server's answer to {self.method} makes no sense: "
                f"{_shown(answer)}"
            ) from error


def ping() -> Operation[None]:
    """Ask for a sign of life."""
    return Operation("ping", (), repeatable=True, read=_nothing)


def count() -> Operation[int]:
    """Ask for the number of registrations."""
    return Operation("count", (), repeatable=True, read=int)


def find(name: str) -> Operation[URI]:
    """Look up a name."""
    return _Find(name)


def find_with_metadata(name: str) -> Operation[tuple[URI, set[str]]]:
    """Look up a name and its metadata."""
    return Operation("lookup", (name, True), repeatable=True, read=_uri_with_metadata)


def register(
    name: str,
    uri: str | URI,
    metadata: Tags,
    *,
    safe: bool,
    ttl: float | None = None,
    owner: str | None = None,
    force: bool = False,
) -> Operation[None]:
    """Register a name; with ``safe``, only if it is free.

    Raises:
        TypeError: the URI or the metadata is of a wrong type.
    """
    if not isinstance(uri, str | URI):
        raise TypeError(f"a uri must be text or a URI, not {type(uri).__name__}")
    tags = None if metadata is None else _tags(metadata)
    args: tuple[object, ...] = name, str(uri), safe, tags
    needs = ""
    if ttl or owner or force:
        args, needs = (*args, ttl, owner, force), _LEASES
    return Operation("register", args, repeatable=not safe, read=_nothing, needs=needs)


def set_metadata(
    name: str, metadata: Tags, *, owner: str | None = None, force: bool = False
) -> Operation[None]:
    """Replace the metadata of a name.

    Raises:
        TypeError: the metadata is of a wrong type.
    """
    args: tuple[object, ...] = name, [] if metadata is None else _tags(metadata)
    needs = ""
    if owner or force:
        args, needs = (*args, owner, force), _LEASES
    return Operation("set_metadata", args, repeatable=True, read=_nothing, needs=needs)


def remove(
    name: str | None,
    prefix: str | None,
    regex: str | None,
    *,
    owner: str | None = None,
    force: bool = False,
) -> Operation[int]:
    """Remove a name, or all that match."""
    args: tuple[object, ...] = name, prefix, regex
    needs = ""
    if owner or force:
        args, needs = (*args, owner, force), _LEASES
    return Operation("remove", args, repeatable=False, read=int, needs=needs)


def renew(names: str | Iterable[str], owner: str | None) -> Operation[list[str]]:
    """Say that the owner of names still lives; the answer is whose that is not."""
    wanted = [names] if isinstance(names, str) else list(names)
    args = (wanted, owner)
    return Operation("renew", args, repeatable=True, read=_names, needs=_LEASES)


def describe(name: str) -> Operation[NameEntry]:
    """Ask for all that is known about a name."""
    return Operation(
        "describe", (name,), repeatable=True, read=entry_of, needs="describe"
    )


def page(
    prefix: str,
    meta_all: Tags,
    meta_any: Tags,
    regex: str | None,
    after: str,
    limit: int,
) -> Operation[Page]:
    """Ask for some registrations, those that come after a name.

    Raises:
        TypeError: the metadata is of a wrong type.
    """
    args = (prefix, *criteria(meta_all, meta_any), regex, after, limit)
    return Operation(
        "entries",
        args,
        repeatable=True,
        read=lambda answer: page_of(answer, after),
        needs="entries",
    )


def position() -> Operation[str]:
    """Ask where in its history the name server is."""
    return Operation("position", (), repeatable=True, read=_exact_text, needs="changes")


def changes(after: str, prefix: str, wait: float, limit: int) -> Operation[Changes]:
    """Ask what has happened since a position; wait for it if nothing has."""
    args = (after, prefix, wait, limit)
    return Operation(
        "changes", args, repeatable=True, read=changes_of, needs="changes", wait=wait
    )


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
    args = (*criteria(meta_all, meta_any), False)
    return Operation("yplookup", args, repeatable=True, read=_texts)


def search_with_metadata(
    meta_all: Tags, meta_any: Tags
) -> Operation[dict[str, tuple[str, set[str]]]]:
    """Search by metadata, which is wanted too.

    Raises:
        TypeError: the metadata is of a wrong type.
    """
    args = (*criteria(meta_all, meta_any), True)
    return Operation("yplookup", args, repeatable=True, read=_texts_with_metadata)


def criteria(
    meta_all: Tags, meta_any: Tags
) -> tuple[list[str] | None, list[str] | None]:
    """Return tags to search by in the form in which they are sent.

    Raises:
        TypeError: they are of a wrong type.
    """
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


def _uri(answer: Any) -> URI:
    return uri_of(answer, config.NS_PORT)


class _Find(Operation[URI]):
    """A look-up, as most operations are; only the name differs."""

    __slots__ = ()

    method = "lookup"
    repeatable = True
    needs = ""
    quick = "locate"
    wait = 0.0
    read = staticmethod(_uri)

    def __init__(self, name: str) -> None:
        self.args = (name,)


def _nothing(_answer: object) -> None:
    return None


def _shown(answer: object) -> str:
    try:
        return repr(answer)[:200]
    except Exception:  # noqa: BLE001 - an integer of many digits, say
        return type(answer).__name__


def _names(answer: Any) -> list[str]:
    if not isinstance(answer, list | tuple | set | frozenset):
        raise TypeError("a list is missing")
    return [_exact_text(name) for name in answer]


def _exact_text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is missing: {type(value).__name__}")
    return value


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
