"""``Pyro4.configuration``: Pyro4's settings, and what they mean here.

There is one object, ``config``, as in Pyro4. What is set in it is handed to the
configuration that these packages use, so it has its effect wherever Pyro4's had it.
"""

# ruff: noqa: N802 - the documented names

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import Any, Final

from pyro_protocol.config import config as settings

from .constants import PROTOCOL_VERSION, VERSION

__all__ = ["Configuration", "config", "main", "synchronise"]

_PREFIX: Final = "PYRO_"
# They are no items of Pyro4; the packages have read them.
_CLIENTS_VARIABLE: Final = "PYRO_PYRO4_CLIENTS"
_SERVERS_VARIABLE: Final = "PYRO_PYRO4_SERVERS"
# Pyro4's own bound: the length of a message is a signed number of 32 bits.
_LONGEST_MESSAGE: Final = 0x7FFF_FFFF

_DEFAULTS: Final[dict[str, Any]] = {
    "AUTOPROXY": True,
    "BROADCAST_ADDRS": "<broadcast>, 0.0.0.0",
    "COMMTIMEOUT": 0.0,
    "COMPRESSION": False,
    "DETAILED_TRACEBACK": False,
    "DILL_PROTOCOL_VERSION": -1,
    "FLAME_ENABLED": False,
    "HOST": "localhost",
    "ITER_STREAMING": True,
    "ITER_STREAM_LIFETIME": 0.0,
    "ITER_STREAM_LINGER": 30.0,
    "JSON_MODULE": "json",
    "LOGWIRE": False,
    "MAX_MESSAGE_SIZE": 0,
    "MAX_RETRIES": 0,
    "METADATA": True,
    "NATHOST": None,
    "NATPORT": 0,
    "NS_AUTOCLEAN": 0.0,
    "NS_BCHOST": None,
    "NS_BCPORT": 9091,
    "NS_HOST": "localhost",
    "NS_PORT": 9090,
    "ONEWAY_THREADED": True,
    "PICKLE_PROTOCOL_VERSION": 5,
    "POLLTIMEOUT": 2.0,
    "PREFER_IP_VERSION": 4,
    "REQUIRE_EXPOSE": True,
    "SERIALIZER": "serpent",
    # Pyro4 has marshal in it, too; here a program has to choose that itself.
    "SERIALIZERS_ACCEPTED": {"serpent", "json"},
    "SERVERTYPE": "thread",
    "SOCK_NODELAY": False,
    "SOCK_REUSE": True,
    "SSL": False,
    "SSL_CACERTS": "",
    "SSL_CLIENTCERT": "",
    "SSL_CLIENTKEY": "",
    "SSL_CLIENTKEYPASSWD": "",
    "SSL_REQUIRECLIENTCERT": False,
    "SSL_SERVERCERT": "",
    "SSL_SERVERKEY": "",
    "SSL_SERVERKEYPASSWD": "",
    "THREADPOOL_SIZE": 40,
    "THREADPOOL_SIZE_MIN": 4,
    "USE_MSG_WAITALL": True,
}

_LAYER_ONLY: Final = frozenset(
    {
        "AUTOPROXY",
        "DILL_PROTOCOL_VERSION",
        "FLAME_ENABLED",
        "JSON_MODULE",
        "METADATA",
        "ONEWAY_THREADED",
        "PICKLE_PROTOCOL_VERSION",
        "REQUIRE_EXPOSE",
        "USE_MSG_WAITALL",
    }
)
"""What the packages have no item for: it is looked at here, or has no meaning."""

_TRUE: Final = frozenset({"1", "on", "yes", "true"})
_FALSE: Final = frozenset({"0", "off", "no", "false"})


class Configuration:
    """Pyro4's settings; the one that counts is `config`.

    Setting an item that there is not raises AttributeError, a value that cannot be
    used ValueError or TypeError.
    """

    __slots__ = tuple(_DEFAULTS)

    AUTOPROXY: bool
    BROADCAST_ADDRS: str | list[str]
    COMMTIMEOUT: float
    COMPRESSION: bool
    DETAILED_TRACEBACK: bool
    DILL_PROTOCOL_VERSION: int
    FLAME_ENABLED: bool
    HOST: str
    ITER_STREAMING: bool
    ITER_STREAM_LIFETIME: float
    ITER_STREAM_LINGER: float
    JSON_MODULE: str
    LOGWIRE: bool
    MAX_MESSAGE_SIZE: int
    MAX_RETRIES: int
    METADATA: bool
    NATHOST: str | None
    NATPORT: int
    NS_AUTOCLEAN: float
    NS_BCHOST: str | None
    NS_BCPORT: int
    NS_HOST: str
    NS_PORT: int
    ONEWAY_THREADED: bool
    PICKLE_PROTOCOL_VERSION: int
    POLLTIMEOUT: float
    PREFER_IP_VERSION: int
    REQUIRE_EXPOSE: bool
    SERIALIZER: str
    SERIALIZERS_ACCEPTED: set[str]
    SERVERTYPE: str
    SOCK_NODELAY: bool
    SOCK_REUSE: bool
    SSL: bool
    SSL_CACERTS: str
    SSL_CLIENTCERT: str
    SSL_CLIENTKEY: str
    SSL_CLIENTKEYPASSWD: str
    SSL_REQUIRECLIENTCERT: bool
    SSL_SERVERCERT: str
    SSL_SERVERKEY: str
    SSL_SERVERKEYPASSWD: str
    THREADPOOL_SIZE: int
    THREADPOOL_SIZE_MIN: int
    USE_MSG_WAITALL: bool

    def __init__(self) -> None:
        self.reset()

    def __setattr__(self, item: str, value: Any) -> None:
        if item not in _DEFAULTS:
            raise AttributeError(
                f"'Configuration' object has no attribute {item!r}",
                name=item,
                obj=self,
            )
        if item == "SERIALIZERS_ACCEPTED":
            value = set(value)
        if item not in _LAYER_ONLY:
            setattr(settings, item, self._meaning(item, value))
        object.__setattr__(self, item, value)
        if item == "SERIALIZER":
            synchronise(self)

    def _meaning(self, item: str, value: Any) -> Any:
        """Return what an item is set to in the packages."""
        if item == "MAX_MESSAGE_SIZE":
            return value or _LONGEST_MESSAGE
        if item == "BROADCAST_ADDRS":
            return self.parseAddressesString(value)
        if item == "SERIALIZERS_ACCEPTED":
            return self._accepted(value)
        return value

    def _accepted(self, chosen: set[str]) -> list[str]:
        # Whoever calls with marshal has opted in to it. With the pickle family that
        # is not enough in Pyro4 either.
        if getattr(self, "SERIALIZER", None) == "marshal":
            chosen = {*chosen, "marshal"}
        return sorted(chosen)

    def reset(self, useenvironment: bool = True) -> None:
        """Return every item to its default, then apply the environment if wanted.

        Raises:
            ValueError: a ``PYRO_*`` variable of a known item has an unusable value.
        """
        for item, value in _DEFAULTS.items():
            setattr(self, item, set(value) if isinstance(value, set) else value)
        if not (useenvironment and _CLIENTS_VARIABLE in os.environ):
            # Whoever has called the program so far goes on doing so.
            settings.PYRO4_CLIENTS = True
        if not (useenvironment and _SERVERS_VARIABLE in os.environ):
            settings.PYRO4_SERVERS = True
        if not useenvironment:
            return
        for item, value in _DEFAULTS.items():
            text = os.environ.get(_PREFIX + item)
            if text is not None:
                setattr(self, item, _from_text(item, text, value))

    def asDict(self) -> dict[str, Any]:
        """Return item names and values."""
        return {item: getattr(self, item) for item in _DEFAULTS}

    def parseAddressesString(self, addresses: str | list[str]) -> list[str]:
        """Return the addresses of a text that has commas between them."""
        parts = addresses.split(",") if isinstance(addresses, str) else addresses
        return [part.strip() for part in parts if part.strip()]

    def dump(self) -> str:
        """Return a readable text of versions and all items; passwords are hidden."""
        python = f"{platform.python_implementation()} {platform.python_version()}"
        lines = [
            f"Pyro version: {VERSION} (pyro-suite)",
            f"Loaded from: {Path(__file__).parent}",
            f"Python version: {python} ({platform.system()}, {os.name})",
            f"Protocol version: {PROTOCOL_VERSION}",
            "Currently active configuration settings:",
        ]
        shown = self.asDict() | {
            name: os.environ.get(_PREFIX + name) for name in ("LOGFILE", "LOGLEVEL")
        }
        for item, value in sorted(shown.items()):
            hidden = value and item.endswith("PASSWD")
            lines.append(f"{item} = {'***' if hidden else value}")
        return "\n".join(lines)


def _from_text(item: str, text: str, default: Any) -> Any:
    value: Any = text
    if isinstance(default, bool):
        word = text.strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(
                f"environment variable {_PREFIX}{item} must be on or off, not {text!r}"
            )
        value = word in _TRUE
    elif isinstance(default, set):
        value = {part.strip() for part in text.split(",") if part.strip()}
    elif isinstance(default, int | float):
        try:
            value = type(default)(text)
        except ValueError:
            raise ValueError(
                f"environment variable {_PREFIX}{item} must be a number, not {text!r}"
            ) from None
    return value


def synchronise(changed: Configuration | None = None) -> None:
    """Hand on the set of accepted serializers, which programs change in its place."""
    own = config if changed is None else changed
    with contextlib.suppress(AttributeError):
        # Before it is set the first time, there is nothing to hand on.
        accepted = own.SERIALIZERS_ACCEPTED
        own.SERIALIZERS_ACCEPTED = accepted


def main() -> None:
    """Print the settings: ``python -m Pyro4.configuration``."""
    print(config.dump())  # noqa: T201 - it is asked for


config: Configuration = Configuration()
"""The settings of this process."""
