"""What may be assigned to the settings of an application, and what they are kept as."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeVar, overload

from pyro_protocol.authentication import TokenAuthentication
from pyro_protocol.dispatch import Identity

from .admission.hosts import parse_hosts
from .admission.proxies import Network, parse_networks

if TYPE_CHECKING:
    from .settings import ConfigurableApplication

__all__ = [
    "Setting",
    "Tokens",
    "Tracebacks",
    "checked_bound",
    "checked_count",
    "checked_flag",
    "checked_hosts",
    "checked_key",
    "checked_metrics",
    "checked_networks",
    "checked_seconds",
    "checked_tokens",
    "checked_tracebacks",
    "words",
]

Tracebacks = Literal["authenticated", "always", "never"]
Tokens = Mapping[str, str | bytes] | TokenAuthentication | None

Given = TypeVar("Given")
Kept = TypeVar("Kept")

_TRACEBACKS: Final[tuple[Tracebacks, ...]] = ("authenticated", "always", "never")
_PROMETHEUS: Final = "prometheus_client"


class Setting(Generic[Given, Kept]):
    """An attribute of an application that is one of its settings.

    Args:
        check: takes the name and what is assigned, and returns what is kept.
    """

    def __init__(self, check: Callable[[str, Given], Kept]) -> None:
        self._check = check
        self._name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        """Learn which attribute it is; the setting has the same name."""
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: ConfigurableApplication, owner: type) -> Kept: ...
    def __get__(
        self, instance: ConfigurableApplication | None, owner: type
    ) -> Self | Kept:
        """Return what is set."""
        if instance is None:
            return self
        kept: Kept = getattr(instance.settings, self._name)
        return kept

    def __set__(self, instance: ConfigurableApplication, value: Given) -> None:
        """Set it for the requests that begin from now on."""
        instance.change(**{self._name: self._check(self._name, value)})


def words(value: str | Iterable[str]) -> list[str]:
    """Return the words of a text, separated by commas or blanks, or of a list."""
    return value.replace(",", " ").split() if isinstance(value, str) else list(value)


def checked_flag(name: str, value: bool) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")
    return value


def checked_count(name: str, value: int) -> int:
    """Return a whole number that is not negative."""
    given: object = value
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise ValueError(f"{name} must be a whole number from 0 on, not {value!r}")
    return value


def checked_seconds(name: str, value: float) -> float:
    """Return a number that is not negative, and finite."""
    given: object = value
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ValueError(f"{name} must be a number, not {value!r}")
    if not (value >= 0 and math.isfinite(value)):
        raise ValueError(f"{name} must be a finite number from 0 on, not {value!r}")
    return float(value)


def checked_key(name: str, value: bytes | str | None) -> bytes | None:
    """Return a key, or None for none."""
    if value is not None and not isinstance(value, bytes | str):
        # Not what it is: it may be a key all the same.
        raise ValueError(f"{name} must be text, bytes or None")
    key = value.encode("utf-8") if isinstance(value, str) else value
    return key or None


def checked_tokens(name: str, value: Tokens) -> TokenAuthentication | None:
    """Return what knows the tokens, of which it keeps hashes only."""
    if value is None or isinstance(value, TokenAuthentication):
        return value
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{name} must be a mapping from names to tokens, or "
            "TokenAuthentication.from_file(path)"
        )
    owners: dict[str, Identity] = {}
    given: Mapping[Any, Any] = value
    for owner, secret in given.items():
        token = secret.decode("utf-8") if isinstance(secret, bytes) else secret
        if not (isinstance(owner, str) and isinstance(token, str)):
            raise ValueError(f"{name}: names and tokens must be text")
        if token in owners:
            both = f"{owners[token].name!r} and {owner!r}"
            raise ValueError(f"{name}: {both} have the same token")
        owners[token] = Identity(owner)
    try:
        return TokenAuthentication(owners) if owners else None
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def checked_tracebacks(name: str, value: Tracebacks) -> Tracebacks:
    """Return who gets tracebacks."""
    if value not in _TRACEBACKS:
        known = ", ".join(repr(one) for one in _TRACEBACKS)
        raise ValueError(f"{name} must be one of {known}, not {value!r}")
    return value


def checked_hosts(name: str, value: str | Iterable[str]) -> frozenset[str]:
    """Return names of hosts."""
    return _parsed(name, parse_hosts, value)


def checked_networks(name: str, value: str | Iterable[str]) -> tuple[Network, ...]:
    """Return networks."""
    return _parsed(name, parse_networks, value)


def checked_bound(name: str, value: str | None) -> str | None:
    """Return the host that a server listens on."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name} must be a name or an address, not {value!r}")
    return value


def checked_metrics(name: str, value: bool) -> bool:
    """Return whether there are metrics, for which a library is needed."""
    if checked_flag(name, value) and find_spec(_PROMETHEUS) is None:
        raise ValueError(
            f"{name}: prometheus-client is not installed; "
            "pip install 'pyro-httpgw[prometheus]'"
        )
    return value


def _parsed(
    name: str, parse: Callable[[Iterable[str]], Kept], value: str | Iterable[str]
) -> Kept:
    try:
        return parse(words(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
