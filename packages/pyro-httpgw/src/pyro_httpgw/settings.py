"""What an application may be told: the attributes that Pyro programs know."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from .admission.hosts import hosts_at
from .admission.origins import parse_origins
from .messages import LARGEST_BODY
from .setting_checks import (
    Setting,
    Tracebacks,
    checked_bound,
    checked_count,
    checked_flag,
    checked_hosts,
    checked_key,
    checked_metrics,
    checked_networks,
    checked_seconds,
    checked_tokens,
    checked_tracebacks,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyro_protocol import Configuration
    from pyro_protocol.authentication import TokenAuthentication

    from .admission.proxies import Network
    from .setting_checks import Tokens

__all__ = [
    "DEFAULT_EXPOSED",
    "MOST_IN_FLIGHT",
    "ConfigurableApplication",
    "Settings",
]

DEFAULT_EXPOSED: Final = r"http\."
"""Which names are reachable unless it is said otherwise: deny by default."""

MOST_IN_FLIGHT: Final = 1000
"""How many requests wait for answers at once: some hundred milliseconds of work, which
a client waits rather than comes again. Each takes some KiB, beside its body."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the answer to a request depends on; see `ConfigurableApplication`.

    Attributes:
        exposed: matches the names that are reachable.
        cors: the origins whose pages may use the gateway; ``*`` stands for all.
        gateway_key: what a request must present, or None.
        tokens: knows the bearer tokens that do instead, or None.
        comm_timeout: how many seconds a request may take; 0 means no bound.
        max_body: how many bytes the body of a request may have.
        max_in_flight: how many requests may wait for answers; 0 means no bound.
        rate_limit: how many requests a second each client may make on average; 0
            means no bound.
        tracebacks: who gets remote tracebacks: ``authenticated``, ``always`` or
            ``never``.
        allowed_hosts: what the ``Host`` of a request may be, beside what follows from
            the address.
        bound_address: the host that the server listens on; None if that is not known.
        trusted_proxies: the networks whose ``X-Forwarded-*`` fields count.
        metrics: whether there is a page with metrics.
        explorer: whether there is a page to explore objects with.
        draining: whether the server is about to end, and wants no more visitors.
        known_hosts: what the ``Host`` of a request may be; empty for anything.
        key_digest: the hash of the gateway key, or None.
        authenticates: whether a request has to present something.
    """

    exposed: re.Pattern[str]
    cors: tuple[str, ...] = ()
    gateway_key: bytes | None = field(default=None, repr=False)
    tokens: TokenAuthentication | None = None
    comm_timeout: float = 0.0
    max_body: int = LARGEST_BODY
    max_in_flight: int = MOST_IN_FLIGHT
    rate_limit: float = 0.0
    tracebacks: Tracebacks = "authenticated"
    allowed_hosts: frozenset[str] = frozenset()
    bound_address: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    metrics: bool = False
    explorer: bool = True
    draining: bool = False
    # What follows from the others, so that it is found out once.
    known_hosts: frozenset[str] = field(init=False, repr=False, compare=False)
    key_digest: bytes | None = field(init=False, repr=False, compare=False)
    authenticates: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Find out what follows from the settings."""
        key = self.gateway_key
        digest = None if key is None else hashlib.sha256(key).digest()
        hosts = hosts_at(self.bound_address, self.allowed_hosts)
        demanded = key is not None or self.tokens is not None
        object.__setattr__(self, "known_hosts", hosts)
        object.__setattr__(self, "key_digest", digest)
        object.__setattr__(self, "authenticates", demanded)

    def shows_tracebacks(self, *, authenticated: bool) -> bool:
        """Whether a caller gets remote tracebacks."""
        return self.tracebacks == "always" or (
            self.tracebacks == "authenticated" and authenticated
        )


class ConfigurableApplication:
    """The settings of an application, changed by assigning to its attributes.

    A change is in force from the next request on. Nothing of it reaches the
    configuration of the program. What cannot be is refused with a `ValueError` when it
    is assigned, and nothing is changed then.

    Args:
        config: where ``comm_timeout`` and the place of the name server come from.
    """

    gateway_key: Setting[bytes | str | None, bytes | None] = Setting(checked_key)
    """What a request must present to be answered; None asks for nothing.

    Text can be assigned as well, and the empty text or bytes mean None.
    """

    tokens: Setting[Tokens, TokenAuthentication | None] = Setting(checked_tokens)
    """Who has which token, of 16 characters or more; each does where the key does.

    A mapping from names to tokens is assigned, or what
    ``TokenAuthentication.from_file`` of ``pyro_protocol.authentication`` returns. The
    names are for the access log.
    """

    max_body: Setting[int, int] = Setting(checked_count)
    """How many bytes the body of a request may have."""

    max_in_flight: Setting[int, int] = Setting(checked_count)
    """How many requests one process answers at once, before it refuses; 0: no bound."""

    rate_limit: Setting[float, float] = Setting(checked_seconds)
    """How many requests a second a client may make of a process; 0: no bound.

    That is on average: a client that was quiet may make those of ten seconds at once.
    """

    tracebacks: Setting[Tracebacks, Tracebacks] = Setting(checked_tracebacks)
    """Who gets the tracebacks of remote exceptions, which show the inside of programs.

    ``"authenticated"`` are callers that have presented a key or a token, ``"always"``
    is everybody and ``"never"`` nobody.
    """

    allowed_hosts: Setting[str | Iterable[str], frozenset[str]] = Setting(checked_hosts)
    """Under which names the gateway may be addressed, without ports.

    ``*.example.org`` are all names below, ``*`` is any name. Names of this machine are
    among them where `bound_address` is one; without names anything goes elsewhere.
    """

    bound_address: Setting[str | None, str | None] = Setting(checked_bound)
    """The host that the web server listens on, which the server says.

    At an address that only this machine reaches, such as ``127.0.0.1``, requests are
    refused that call the gateway by a name which is not in `allowed_hosts`.
    """

    trusted_proxies: Setting[str | Iterable[str], tuple[Network, ...]] = Setting(
        checked_networks
    )
    """The networks of proxies that are believed what they say about clients.

    Addresses and networks such as ``10.0.0.0/8``; ``unix`` believes whatever connects
    to a Unix socket, and ``*`` everybody.
    """

    metrics: Setting[bool, bool] = Setting(checked_metrics)
    """Whether there is ``/metrics``; it takes the extra ``pyro-httpgw[prometheus]``."""

    explorer: Setting[bool, bool] = Setting(checked_flag)
    """Whether there is a page to explore objects with."""

    draining: Setting[bool, bool] = Setting(checked_flag)
    """Whether the server is about to end: ``/readyz`` says so to those who ask."""

    def __init__(self, config: Configuration) -> None:
        self.config = config
        self._settings = Settings(
            re.compile(DEFAULT_EXPOSED), comm_timeout=config.COMMTIMEOUT
        )
        self._comm_timeout: float | None = None

    @property
    def settings(self) -> Settings:
        """The settings for a request that begins now."""
        settings = self._settings
        if self._comm_timeout is None:
            seconds = self.config.COMMTIMEOUT
            if seconds != settings.comm_timeout:
                settings = self._settings = replace(settings, comm_timeout=seconds)
        return settings

    def change(self, **changes: Any) -> None:
        """Set fields of `settings` as they are; the attributes check what they get."""
        self._settings = replace(self._settings, **changes)

    @property
    def ns_regex(self) -> str:
        """Names that begin with a match are reachable; ``""`` exposes all of them.

        Raises:
            ValueError: on assignment, the text is not a regular expression.
        """
        return self._settings.exposed.pattern

    @ns_regex.setter
    def ns_regex(self, value: str) -> None:
        try:
            exposed = re.compile(value)
        except (re.error, TypeError) as error:
            raise ValueError(f"invalid expression {value!r}: {error}") from error
        self.change(exposed=exposed)

    @property
    def cors(self) -> str:
        """The origins whose pages may use the gateway, separated by commas.

        ``*`` allows every page, the empty text none.

        Raises:
            ValueError: on assignment, one of them is no origin.
        """
        return ", ".join(self._settings.cors)

    @cors.setter
    def cors(self, value: str | Iterable[str]) -> None:
        try:
            origins = parse_origins(words(value))
        except ValueError as error:
            raise ValueError(f"cors: {error}") from None
        self.change(cors=origins)

    @property
    def comm_timeout(self) -> float:
        """How many seconds a request may take; 0 means that it may take for ever.

        Until it is assigned it is ``COMMTIMEOUT`` of the configuration; None makes it
        that again.
        """
        if self._comm_timeout is None:
            return self.config.COMMTIMEOUT
        return self._comm_timeout

    @comm_timeout.setter
    def comm_timeout(self, value: float | None) -> None:
        seconds = None if value is None else checked_seconds("comm_timeout", value)
        self._comm_timeout = seconds
        if seconds is not None:
            self.change(comm_timeout=seconds)
