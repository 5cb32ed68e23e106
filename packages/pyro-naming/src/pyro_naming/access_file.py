"""Reading the file that says who may do what at a name server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.authentication import (
    AnyOf,
    CertificateAuthentication,
    TokenAuthentication,
    UserAuthentication,
)
from pyro_protocol.dispatch import Identity

if TYPE_CHECKING:
    import os

    from pyro_protocol.authentication import Authenticator

__all__ = ["OPERATIONS", "AccessFile", "Grant", "read_access", "read_access_file"]

OPERATIONS: Final = ("lookup", "register", "remove", "force")
"""What rules are about."""

_EVERYBODY: Final = "*"
_KNOWN: Final = "known"
_ROLE: Final = "role:"
_WAYS: Final = ("token", "certificates", "users")


@dataclass(frozen=True, slots=True)
class Grant:
    """Who may do something.

    Attributes:
        everybody: whether all clients may, known or not.
        known: whether all may that are in the file.
        clients: the names of those that may.
        roles: all that have one of these may.
    """

    everybody: bool = False
    known: bool = False
    clients: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    def includes(self, identity: Identity | None) -> bool:
        """Tell whether a client may; None is one that is not known."""
        if self.everybody or identity is None:
            return self.everybody
        return (
            self.known
            or identity.name in self.clients
            or not self.roles.isdisjoint(identity.roles)
        )


@dataclass(frozen=True, slots=True)
class AccessFile:
    """What is in a file, checked.

    Attributes:
        clients: all that are known, by name.
        token: who has a token, found out from the handshake.
        others: who has a certificate, or is a user of this machine.
        grants: for each operation, who may do it by the beginning of the name.
    """

    clients: Mapping[str, Identity]
    token: Authenticator
    others: Authenticator
    grants: Mapping[str, Mapping[str, Grant]]


def read_access_file(path: str | os.PathLike[str]) -> AccessFile:
    """Read a file; see `read_access`.

    Raises:
        OSError: it cannot be read.
        ValueError: there is a mistake in it.
    """
    import tomllib  # noqa: PLC0415 - most name servers have no such file

    try:
        content = tomllib.loads(Path(path).read_text("utf-8"))
    except ValueError as error:
        # Of the text, or of its encoding.
        raise ValueError(f"{path}: not a TOML file: {error}") from None
    return read_access(content, str(path))


def read_access(content: Mapping[str, Any], source: str) -> AccessFile:
    """Check what a file holds.

    Args:
        content: the tables ``clients`` and ``rules``.
        source: where they come from, for messages.

    Raises:
        ValueError: there is a mistake; the text says where, and what is expected.
    """
    with _at(source):
        _refuse_unknown(content, ("clients", "rules"), "the file")
        tables = _table(content.get("clients", {}), "clients")
        clients = {name: _client(name, table) for name, table in tables.items()}
        roles = frozenset[str]().union(*(one.roles for one in clients.values()))
        rules = content.get("rules", [])
        if not isinstance(rules, list):
            raise ValueError("rules: expected tables, each under its own [[rules]]")
        return AccessFile(
            clients=clients,
            token=TokenAuthentication.from_hashes(_owners(tables, clients, "token")),
            others=AnyOf(
                CertificateAuthentication(_owners(tables, clients, "certificates")),
                UserAuthentication(_owners(tables, clients, "users")),
            ),
            grants=_grants(rules, clients.keys(), roles),
        )


def _client(name: str, table: object) -> Identity:
    """Return who a table of a client describes, after checking all of it."""
    place = f"[clients.{name}]"
    if not name or name in (_EVERYBODY, _KNOWN) or name.startswith(_ROLE):
        raise ValueError(
            f"{place}: a client cannot be named so, for rules use {_EVERYBODY!r}, "
            f"{_KNOWN!r} and {_ROLE!r} for several; choose another name"
        )
    found = _table(table, place)
    _refuse_unknown(found, (*_WAYS, "roles"), place)
    if not any(found.get(way) for way in _WAYS):
        raise ValueError(
            f"{place}: expected at least one of {', '.join(_WAYS)}, by which the "
            "client is known"
        )
    for way in _WAYS:
        with _at(f"{place} {way}"):
            _check_way(way, _values(found, way))
    with _at(f"{place} roles"):
        return Identity(name, _texts(found.get("roles", []), "names of roles"))


def _check_way(way: str, values: list[Any]) -> None:
    """Check each value by itself, so that an error can name it."""
    nobody = Identity("nobody")
    for value in values:
        if way == "users":
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise ValueError(
                    f"expected a list of names or numbers of users, not {value!r}"
                )
            UserAuthentication({value: nobody})
        elif way == "token":
            # It is not shown: it may be a token that was not hashed.
            if not isinstance(value, str):
                raise ValueError("expected the text of a hash")
            TokenAuthentication.from_hashes({value: nobody})
        else:
            CertificateAuthentication({_texts([value], "names")[0]: nobody})


def _values(table: Mapping[str, Any], way: str) -> list[Any]:
    """Return the values of one way to be known, of which ``token`` has one."""
    if way not in table:
        return []
    value = table[way]
    if way == "token":
        return [value]
    if not isinstance(value, list):
        raise ValueError(f'expected a list, as in {way} = ["…"], not {value!r}')
    return value


def _owners(
    tables: Mapping[str, Any], clients: Mapping[str, Identity], way: str
) -> dict[Any, Identity]:
    """Return whose the values of one way are.

    Raises:
        ValueError: two clients have the same.
    """
    result: dict[Any, Identity] = {}
    for name, table in tables.items():
        for value in _values(table, way):
            other = result.setdefault(value, clients[name])
            if other.name != name:
                raise ValueError(
                    f"[clients.{name}] {way}: the client {other.name} has the same; "
                    "each must have its own"
                )
    return result


def _grants(
    rules: list[Any], clients: Iterable[str], roles: frozenset[str]
) -> dict[str, dict[str, Grant]]:
    """Return for each operation who may do it, by prefix."""
    known = frozenset(clients)
    result: dict[str, dict[str, Grant]] = {operation: {} for operation in OPERATIONS}
    for number, rule in enumerate(rules, 1):
        place = f"rule {number}"
        table = _table(rule, place)
        prefix = table.get("prefix")
        if not isinstance(prefix, str):
            raise ValueError(
                f'{place}: expected a prefix, as in prefix = "lab."; "" is for all '
                "names"
            )
        place = f"rule {number} (prefix {prefix!r})"
        _refuse_unknown(table, ("prefix", *OPERATIONS), place)
        said = [operation for operation in OPERATIONS if operation in table]
        if not said:
            raise ValueError(f"{place}: expected at least one of {_list(OPERATIONS)}")
        for operation in said:
            with _at(f"{place} {operation}"):
                if prefix in result[operation]:
                    raise ValueError(
                        "an earlier rule with this prefix says it already; put all "
                        "that is about it into one"
                    )
                result[operation][prefix] = _grant(table[operation], known, roles)
    return result


def _grant(value: object, clients: frozenset[str], roles: frozenset[str]) -> Grant:
    """Return who a list of a rule is about."""
    mentioned = _texts(
        value, f"names of clients, {_ROLE}NAME, {_KNOWN!r} or {_EVERYBODY!r}"
    )
    wanted = {one.removeprefix(_ROLE) for one in mentioned if one.startswith(_ROLE)}
    names = {one for one in mentioned if not one.startswith(_ROLE)}
    names -= {_EVERYBODY, _KNOWN}
    if missing := names - clients:
        raise ValueError(
            f"there is no client {_list(missing)}; expected one of "
            f"{_list(clients) or 'none, as the file has no clients'}"
        )
    if missing := wanted - roles:
        raise ValueError(
            f"no client has the role {_list(missing)}; expected one of "
            f"{_list(roles) or 'none, as no client has a role'}"
        )
    return Grant(
        everybody=_EVERYBODY in mentioned,
        known=_KNOWN in mentioned,
        clients=frozenset(names),
        roles=frozenset(wanted),
    )


def _table(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{place}: expected a table, not {value!r}")
    return value


def _texts(value: object, what: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"expected a list of {what}, not {value!r}")
    return value


def _refuse_unknown(
    table: Mapping[str, Any], expected: Iterable[str], place: str
) -> None:
    if unknown := table.keys() - set(expected):
        raise ValueError(
            f"{place}: unknown {_list(unknown)}; expected {_list(expected)}"
        )


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


@contextlib.contextmanager
def _at(place: str) -> Iterator[None]:
    """Let a mistake tell where it is."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None
