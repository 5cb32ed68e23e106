"""``Pyro5.configure``: the settings, with the items and defaults of Pyro5."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol import config as _settings_of_the_program
from pyro_protocol.config import Configuration as _Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Configuration", "dump", "global_config", "main", "opt_in"]

# Where the defaults of Pyro5 are others.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "LOGFILE": "pyro5.log",
    "SERIALIZER": "serpent",
    "SOCK_NODELAY": False,
}

_ITEMS: Final = frozenset(
    {
        "BROADCAST_ADDRS",
        "COMMTIMEOUT",
        "COMPRESSION",
        "DETAILED_TRACEBACK",
        "HOST",
        "ITER_STREAMING",
        "ITER_STREAM_LIFETIME",
        "ITER_STREAM_LINGER",
        "LOGFILE",
        "LOGLEVEL",
        "LOGWIRE",
        "MAX_MESSAGE_SIZE",
        "MAX_RETRIES",
        "NATHOST",
        "NATPORT",
        "NS_AUTOCLEAN",
        "NS_BCHOST",
        "NS_BCPORT",
        "NS_HOST",
        "NS_LOOKUP_DELAY",
        "NS_PORT",
        "POLLTIMEOUT",
        "PREFER_IP_VERSION",
        "SERIALIZER",
        "SERPENT_BYTES_REPR",
        "SERVERTYPE",
        "SOCK_NODELAY",
        "SOCK_REUSE",
        "SSL",
        "SSL_CACERTS",
        "SSL_CLIENTCERT",
        "SSL_CLIENTKEY",
        "SSL_CLIENTKEYPASSWD",
        "SSL_REQUIRECLIENTCERT",
        "SSL_SERVERCERT",
        "SSL_SERVERKEY",
        "SSL_SERVERKEYPASSWD",
        "THREADPOOL_SIZE",
        "THREADPOOL_SIZE_MIN",
    }
)


class Configuration:
    """Settings under the names of Pyro5; the further items of ours can be set too."""

    __module__ = "Pyro5.configure"
    __slots__ = ("_settings",)

    _settings: _Settings

    def __init__(self) -> None:
        object.__setattr__(self, "_settings", _Settings(use_environment=False))
        self.reset()

    @classmethod
    def over(cls, settings: _Settings) -> Configuration:
        """Return a view of settings that there are, which get Pyro5's defaults."""
        result = cls.__new__(cls)
        object.__setattr__(result, "_settings", settings)
        result._apply_defaults(use_environment=True)  # noqa: SLF001 - of this class
        return result

    def __getattr__(self, item: str) -> Any:
        return getattr(self._settings, item)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_ITEMS})

    def __setattr__(self, item: str, value: Any) -> None:
        if item == "SERIALIZER":
            opt_in(value, self._settings)
        setattr(self._settings, item, value)

    def reset(self, use_environment: bool = True) -> None:
        """Return every item to its default, then apply the environment if wanted.

        Raises:
            ValueError: a ``PYRO_*`` variable of a known item has an unusable value.
        """
        self._settings.reset(use_environment)
        self._apply_defaults(use_environment=use_environment)

    def _apply_defaults(self, *, use_environment: bool) -> None:
        for item, value in _DEFAULTS.items():
            if not (use_environment and f"PYRO_{item}" in os.environ):
                setattr(self._settings, item, value)
        if "SERIALIZER" not in self._settings.faults:
            opt_in(self._settings.SERIALIZER, self._settings)

    def copy(self) -> Configuration:
        """Return an independent configuration with the same values."""
        result = Configuration.__new__(Configuration)
        object.__setattr__(result, "_settings", self._settings.copy())
        return result

    def as_dict(self) -> dict[str, Any]:
        """Return the names and values of the items that Pyro5 has."""
        values = self._settings.as_dict()
        return {item: values[item] for item in sorted(_ITEMS)}

    def dump(self) -> str:
        """Return a readable text of versions and the items that Pyro5 has."""
        lines = self._settings.dump().splitlines()
        return "\n".join(
            line
            for line in lines
            if " = " not in line or line.partition(" = ")[0] in _ITEMS
        )


def opt_in(serializer: object, settings: _Settings | None = None) -> None:
    """Let daemons made from now on take a serializer that the program has chosen.

    That concerns ``marshal`` alone: reading it is unsafe with hostile peers, so that
    only a program that names it gets it.

    Args:
        serializer: its name.
        settings: the settings of the daemons; those of the program if left out.
    """
    target = _settings_of_the_program if settings is None else settings
    if serializer == "marshal" and "marshal" not in target.SERIALIZERS_ACCEPTED:
        target.SERIALIZERS_ACCEPTED = [*target.SERIALIZERS_ACCEPTED, "marshal"]


global_config: Configuration = Configuration.over(_settings_of_the_program)
"""The settings of the program; what is not Pyro5's reads the same ones."""


if not _settings_of_the_program.LOGLEVEL:
    # As with Pyro5 nothing is printed that the program does not ask for. What its
    # own handlers are set up for still reaches them.
    logging.getLogger("pyro").addHandler(logging.NullHandler())


def dump() -> None:
    """Print the settings in force."""
    print(global_config.dump())  # noqa: T201 - asked for


def main() -> int:
    """Print the settings in force, and return the exit status."""
    dump()
    return 0
