"""Settings: one global ``config``, its environment variables, and copies of it."""

from __future__ import annotations

import os
import platform
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .__about__ import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROTOCOL_VERSION", "Configuration", "config"]

PROTOCOL_VERSION: Final = 502
"""The version in every message header, shared with Pyro5 (spec: wire, section 2)."""

_ENVIRONMENT_PREFIX: Final = "PYRO_"
# Read by pyro-httpgw alone, and no setting: a dump of the settings must not show it.
_KEY_VARIABLE: Final = "PYRO_HTTPGATEWAY_KEY"
_TRUE: Final = frozenset({"1", "on", "yes", "true"})
_FALSE: Final = frozenset({"0", "off", "no", "false"})

# The default also fixes the type: what the environment gives is converted to it.
_DEFAULTS: Final[dict[str, Any]] = {
    "BROADCAST_ADDRS": ["<broadcast>", "0.0.0.0"],  # noqa: S104 - a destination
    "COMMTIMEOUT": 0.0,
    "COMPRESSION": False,
    "DETAILED_TRACEBACK": False,
    "HANDSHAKE_MESSAGE_SIZE": 8192,
    "HANDSHAKE_TIMEOUT": 15.0,
    "HOST": "localhost",
    "ITER_STREAMING": True,
    "ITER_STREAM_LIFETIME": 0.0,
    "ITER_STREAM_LINGER": 30.0,
    "LOGFILE": "pyro.log",
    "LOGLEVEL": None,
    "LOGWIRE": False,
    "MAX_ANNOTATIONS": 256,
    "MAX_BATCH_CALLS": 100_000,
    "MAX_CONNECTIONS": 0,
    "MAX_MESSAGE_SIZE": 1024 * 1024 * 1024,
    "MAX_ONEWAY_QUEUE": 1000,
    "MAX_RETRIES": 0,
    "MAX_STREAMS": 1000,
    "NATHOST": None,
    "NATPORT": 0,
    "NS_AUTOCLEAN": 0.0,
    "NS_BCHOST": None,
    "NS_BCPORT": 9091,
    "NS_HOST": "localhost",
    "NS_LOOKUP_DELAY": 0.0,
    "NS_PORT": 9090,
    "POLLTIMEOUT": 2.0,
    "PREFER_IP_VERSION": 0,
    "SERIALIZER": "auto",
    "SERIALIZERS_ACCEPTED": ["native", "serpent", "json", "msgpack"],
    "SERPENT_BYTES_REPR": False,
    "SERVERTYPE": "thread",
    "SOCK_NODELAY": True,
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
    "THREADPOOL_QUEUE_SIZE": 1000,
    "THREADPOOL_SIZE": 80,
    "THREADPOOL_SIZE_MIN": 4,
}


class Configuration:
    """A set of settings, with the documented names as attributes.

    A new one has the built-in defaults, overridden by environment variables
    named ``PYRO_`` + item. Setting an item that does not exist raises
    AttributeError. Durations are in seconds, sizes in bytes; 0 means "none" for
    ``COMMTIMEOUT``, ``ITER_STREAM_LIFETIME`` and ``MAX_CONNECTIONS``.

    Args:
        use_environment: whether ``PYRO_*`` variables are applied.

    Raises:
        ValueError: a ``PYRO_*`` variable of a known item has an unusable value.
    """

    __slots__ = tuple(sorted(_DEFAULTS))

    BROADCAST_ADDRS: list[str]
    COMMTIMEOUT: float
    COMPRESSION: bool
    DETAILED_TRACEBACK: bool
    HANDSHAKE_MESSAGE_SIZE: int
    HANDSHAKE_TIMEOUT: float
    HOST: str
    ITER_STREAMING: bool
    ITER_STREAM_LIFETIME: float
    ITER_STREAM_LINGER: float
    LOGFILE: str
    LOGLEVEL: str | None
    LOGWIRE: bool
    MAX_ANNOTATIONS: int
    MAX_BATCH_CALLS: int
    MAX_CONNECTIONS: int
    MAX_MESSAGE_SIZE: int
    MAX_ONEWAY_QUEUE: int
    MAX_RETRIES: int
    MAX_STREAMS: int
    NATHOST: str | None
    NATPORT: int
    NS_AUTOCLEAN: float
    NS_BCHOST: str | None
    NS_BCPORT: int
    NS_HOST: str
    NS_LOOKUP_DELAY: float
    NS_PORT: int
    POLLTIMEOUT: float
    PREFER_IP_VERSION: int
    SERIALIZER: str
    SERIALIZERS_ACCEPTED: list[str]
    SERPENT_BYTES_REPR: bool
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
    THREADPOOL_QUEUE_SIZE: int
    THREADPOOL_SIZE: int
    THREADPOOL_SIZE_MIN: int

    def __init__(self, *, use_environment: bool = True) -> None:
        self.reset(use_environment=use_environment)

    def reset(self, use_environment: bool = True) -> None:
        """Return every item to its default, then apply the environment if wanted.

        Raises:
            ValueError: a ``PYRO_*`` variable of a known item has an unusable value.
        """
        for item, value in _DEFAULTS.items():
            setattr(self, item, list(value) if isinstance(value, list) else value)
        if use_environment:
            self._apply(os.environ)

    def _apply(self, environment: Mapping[str, str]) -> None:
        for variable, text in environment.items():
            if not variable.startswith(_ENVIRONMENT_PREFIX):
                continue
            if variable == _KEY_VARIABLE:
                continue
            item = variable.removeprefix(_ENVIRONMENT_PREFIX)
            if item not in _DEFAULTS:
                # Somebody else's variable, or one of an older Pyro, must not
                # make the import fail.
                warnings.warn(
                    f"environment variable {variable} is not a Pyro setting; ignored",
                    RuntimeWarning,
                    stacklevel=4,
                )
                continue
            setattr(self, item, _convert(variable, text, _DEFAULTS[item]))

    def copy(self) -> Configuration:
        """Return an independent configuration with the same values."""
        result = Configuration(use_environment=False)
        for item, value in self.as_dict().items():
            setattr(result, item, value)
        return result

    def as_dict(self) -> dict[str, Any]:
        """Return item names and values."""
        values = ((item, getattr(self, item)) for item in self.__slots__)
        return {
            item: list(value) if isinstance(value, list) else value
            for item, value in values
        }

    def dump(self) -> str:
        """Return a readable text of versions and all items."""
        system = f"{platform.system()}, {os.name}"
        lines = [
            f"Pyro version: {__version__}",
            f"Loaded from: {Path(__file__).parent}",
            (
                f"Python version: {platform.python_implementation()}"
                f" {platform.python_version()} ({system})"
            ),
            f"Protocol version: {PROTOCOL_VERSION}",
            "Currently active configuration settings:",
        ]
        lines += [f"{item} = {value}" for item, value in self.as_dict().items()]
        return "\n".join(lines)


def _convert(variable: str, text: str, default: object) -> object:
    """Turn the text of an environment variable into the type of the default."""
    if isinstance(default, bool):
        word = text.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError(
            f"environment variable {variable} must be on or off, not {text!r}"
        )
    if isinstance(default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(default, int | float):
        try:
            return type(default)(text)
        except ValueError as error:
            kind = type(default).__name__
            raise ValueError(
                f"environment variable {variable} must be of type {kind}, not {text!r}"
            ) from error
    return text


config: Configuration = Configuration()
"""The settings used wherever no other configuration is given."""
