"""What an application may be told: the attributes that Pyro programs know."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyro_protocol import Configuration

__all__ = ["DEFAULT_EXPOSED", "ConfigurableApplication", "Settings"]

DEFAULT_EXPOSED: Final = r"http\."
"""Which names are reachable unless it is said otherwise: deny by default."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the answer to a request depends on; see `ConfigurableApplication`.

    Attributes:
        exposed: matches the names that are reachable.
        cors: the origins whose pages may read answers; ``*`` stands for all.
        gateway_key: what a request must present, or None.
        comm_timeout: how many seconds a request may take; 0 means no bound.
    """

    exposed: re.Pattern[str]
    cors: tuple[str, ...] = ()
    gateway_key: bytes | None = None
    comm_timeout: float = 0.0


class ConfigurableApplication:
    """The settings of an application, changed by assigning to its attributes.

    A change is in force from the next request on. Nothing of it reaches the
    configuration of the program.

    Args:
        config: where ``comm_timeout`` and the place of the name server come from.
    """

    def __init__(self, config: Configuration) -> None:
        self.config = config
        self._settings = Settings(re.compile(DEFAULT_EXPOSED))
        self._comm_timeout: float | None = None

    @property
    def settings(self) -> Settings:
        """The settings for a request that begins now."""
        return replace(self._settings, comm_timeout=self.comm_timeout)

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
        except re.error as error:
            raise ValueError(f"invalid expression {value!r}: {error}") from error
        self._settings = replace(self._settings, exposed=exposed)

    @property
    def cors(self) -> str:
        """The origins whose pages may use the gateway, separated by commas.

        ``*`` allows every page, the empty text none.
        """
        return ", ".join(self._settings.cors)

    @cors.setter
    def cors(self, value: str) -> None:
        origins = tuple(value.replace(",", " ").split())
        self._settings = replace(self._settings, cors=origins)

    @property
    def gateway_key(self) -> bytes | None:
        """What a request must present to be answered; None asks for nothing.

        Text can be assigned as well, and the empty text or bytes mean None.
        """
        return self._settings.gateway_key

    @gateway_key.setter
    def gateway_key(self, value: bytes | str | None) -> None:
        key = value.encode("utf-8") if isinstance(value, str) else value
        self._settings = replace(self._settings, gateway_key=key or None)

    @property
    def comm_timeout(self) -> float:
        """How many seconds a request may take; 0 means that it may take for ever.

        Until it is assigned it is ``COMMTIMEOUT`` of the configuration.
        """
        if self._comm_timeout is None:
            return self.config.COMMTIMEOUT
        return self._comm_timeout

    @comm_timeout.setter
    def comm_timeout(self, value: float | None) -> None:
        self._comm_timeout = value
