"""Settings: one global ``config``, its environment variables, and copies of it."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .__about__ import __version__
from .config_rules import check, from_text, is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PROTOCOL_VERSION", "Configuration", "config"]

PROTOCOL_VERSION: Final = 502
"""The version in every message header, shared with Pyro5 (spec: wire, section 2)."""

_ENVIRONMENT_PREFIX: Final = "PYRO_"
# Read by pyro-httpgw alone, and no setting: a dump of the settings must not show it.
_KEY_VARIABLE: Final = "PYRO_HTTPGATEWAY_KEY"

# The default also fixes the type. What else an item demands is in `config_rules`.
_DEFAULTS: Final[dict[str, Any]] = {
    "BROADCAST_ADDRS": ["<broadcast>", "0.0.0.0"],  # noqa: S104 - a destination
    "COMMTIMEOUT": 0.0,
    "COMPRESSION": False,
    "DETAILED_TRACEBACK": False,
    "HANDSHAKE_MESSAGE_SIZE": 8192,
    "HANDSHAKE_TIMEOUT": 15.0,
    "HEARTBEAT_INTERVAL": 20.0,
    "HEARTBEAT_TIMEOUT": 20.0,
    "HOST": "localhost",
    "ITER_STREAMING": True,
    "ITER_STREAM_LIFETIME": 0.0,
    "ITER_STREAM_LINGER": 30.0,
    "LEASE_LINGER": 10.0,
    "LOGFILE": "pyro.log",
    "LOGLEVEL": None,
    "LOGWIRE": False,
    "MAX_ANNOTATIONS": 256,
    "MAX_ANNOTATIONS_SIZE": 64 * 1024 * 1024,
    "MAX_BATCH_CALLS": 100_000,
    "MAX_CONNECTIONS": 0,
    "MAX_INFLATE_RATIO": 200,
    "MAX_IN_FLIGHT": 1000,
    "MAX_LEASES": 10_000,
    "MAX_MESSAGE_SIZE": 1024 * 1024 * 1024,
    "MAX_NAMES_PER_OWNER": 200_000,
    "MAX_NAME_LENGTH": 1000,
    "MAX_NAME_TAGS": 1000,
    "MAX_NESTING": 1024,
    "MAX_ONEWAY_QUEUE": 1000,
    "MAX_RETRIES": 0,
    "MAX_STREAMS": 1000,
    "MAX_TAG_LENGTH": 1000,
    "MAX_WATCHERS": 1000,
    "MDNS_ADDRS": [],
    "MDNS_NAME": "",
    "MESSAGE_TIMEOUT": 60.0,
    "NATHOST": None,
    "NATPORT": 0,
    "NS_ACCESS": "",
    "NS_AUTOCLEAN": 0.0,
    "NS_BCHOST": None,
    "NS_BCPORT": 9091,
    "NS_HOST": "localhost",
    "NS_LOOKUP_DELAY": 0.0,
    "NS_OWNER": "",
    "NS_PLAIN_CLIENTS": "unowned",
    "NS_PORT": 9090,
    "NS_TOKEN": "",
    "NS_TTL": 60.0,
    "POLLTIMEOUT": 2.0,
    "PREFER_IP_VERSION": 0,
    "REMOTE_TRACEBACKS": "always",
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
    "STREAM_READ_AHEAD": 1000,
    "THREADPOOL_QUEUE_SIZE": 1000,
    "THREADPOOL_SIZE": 80,
    "THREADPOOL_SIZE_MIN": 4,
    "UNKNOWN_CLASSES": "refuse",
}


class Configuration:
    """A set of settings, with the documented names as attributes.

    A new one has the built-in defaults, overridden by environment variables
    named ``PYRO_`` + item, and then by the arguments. Durations are in seconds,
    sizes in bytes; 0 means "none" for ``COMMTIMEOUT``, ``ITER_STREAM_LIFETIME`` and
    ``MAX_CONNECTIONS``. Two configurations are equal if all their items are.

    Setting an item raises AttributeError if there is no such item, TypeError if
    the value is of the wrong type, and ValueError if it is out of range or not
    among the choices; the item keeps its value then.

    Args:
        items: values of items, by their names.
        use_environment: whether ``PYRO_*`` variables are applied.
        more: values of items, as keywords.

    Raises:
        AttributeError: there is no such item.
        TypeError: a value is of the wrong type.
        ValueError: a value, or a ``PYRO_*`` variable of a known item, cannot be used.
    """

    __slots__ = (*sorted(_DEFAULTS), "_faults")
    __hash__: ClassVar[None] = None  # type: ignore[assignment] # it can change

    BROADCAST_ADDRS: list[str]
    COMMTIMEOUT: float
    COMPRESSION: bool
    DETAILED_TRACEBACK: bool
    HANDSHAKE_MESSAGE_SIZE: int
    HANDSHAKE_TIMEOUT: float
    HEARTBEAT_INTERVAL: float
    HEARTBEAT_TIMEOUT: float
    HOST: str
    ITER_STREAMING: bool
    ITER_STREAM_LIFETIME: float
    ITER_STREAM_LINGER: float
    LEASE_LINGER: float
    LOGFILE: str
    LOGLEVEL: str | None
    LOGWIRE: bool
    MAX_ANNOTATIONS: int
    MAX_ANNOTATIONS_SIZE: int
    MAX_BATCH_CALLS: int
    MAX_CONNECTIONS: int
    MAX_INFLATE_RATIO: int
    MAX_IN_FLIGHT: int
    MAX_LEASES: int
    MAX_MESSAGE_SIZE: int
    MAX_NAMES_PER_OWNER: int
    MAX_NAME_LENGTH: int
    MAX_NAME_TAGS: int
    MAX_NESTING: int
    MAX_ONEWAY_QUEUE: int
    MAX_RETRIES: int
    MAX_STREAMS: int
    MAX_TAG_LENGTH: int
    MAX_WATCHERS: int
    MDNS_ADDRS: list[str]
    MDNS_NAME: str
    MESSAGE_TIMEOUT: float
    NATHOST: str | None
    NATPORT: int
    NS_ACCESS: str
    NS_AUTOCLEAN: float
    NS_BCHOST: str | None
    NS_BCPORT: int
    NS_HOST: str
    NS_LOOKUP_DELAY: float
    NS_OWNER: str
    NS_PLAIN_CLIENTS: str
    NS_PORT: int
    NS_TOKEN: str
    NS_TTL: float
    POLLTIMEOUT: float
    PREFER_IP_VERSION: int
    REMOTE_TRACEBACKS: str
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
    STREAM_READ_AHEAD: int
    THREADPOOL_QUEUE_SIZE: int
    THREADPOOL_SIZE: int
    THREADPOOL_SIZE_MIN: int
    _faults: dict[str, str]
    UNKNOWN_CLASSES: str

    def __init__(
        self,
        items: Mapping[str, Any] | None = None,
        /,
        *,
        use_environment: bool = True,
        **more: Any,
    ) -> None:
        self.reset(use_environment=use_environment)
        for item, value in {**(items or {}), **more}.items():
            setattr(self, item, value)

    def reset(self, use_environment: bool = True) -> None:
        """Return every item to its default, then apply the environment if wanted.

        Raises:
            ValueError: a ``PYRO_*`` variable of a known item has an unusable value.
        """
        object.__setattr__(self, "_faults", {})
        for item, value in _DEFAULTS.items():
            setattr(self, item, value)
        if use_environment:
            for fault in self._apply(os.environ).values():
                raise ValueError(fault)

    def _apply(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Take over the variables, and return what is wrong with which items."""
        faults: dict[str, str] = {}
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
                    f"environment variable {variable} is not a Pyro setting; ignored"
                    f"{_resembling(item)}",
                    RuntimeWarning,
                    stacklevel=4,
                )
                continue
            try:
                setattr(self, item, from_text(item, text, _DEFAULTS[item]))
            except ValueError as error:
                faults[item] = f"environment variable {variable} is unusable: {error}"
        return faults

    @classmethod
    def _of_the_program(cls) -> Configuration:
        """Return the configuration that the environment makes, whatever is in it.

        A bad value must not break the import, and must not be replaced by a
        default either: ``PYRO_SSL=ture`` would mean no encryption. So the item has
        no value, and whoever reads it before it is set gets the error.
        """
        result = cls(use_environment=False)
        for item, fault in result._apply(os.environ).items():
            warnings.warn(fault, RuntimeWarning, stacklevel=3)
            result._faults[item] = fault
            object.__delattr__(result, item)
        return result

    # To a type checker these would be a promise that every name is an item.
    if not TYPE_CHECKING:

        def __setattr__(self, item: str, value: Any) -> None:
            if item not in _DEFAULTS:
                raise AttributeError(_no_such(item), name=item, obj=self)
            object.__setattr__(self, item, check(item, value, _DEFAULTS[item]))
            self._faults.pop(item, None)

        # Python comes here only for what has no value: reading costs nothing.
        def __getattr__(self, item: str) -> Any:
            if item in _DEFAULTS and item in self._faults:
                raise ValueError(self._faults[item])
            raise AttributeError(_no_such(item), name=item, obj=self)

    def __delattr__(self, item: str) -> None:
        raise AttributeError(f"configuration item {item} cannot be deleted")

    def copy(self) -> Configuration:
        """Return an independent configuration with the same values."""
        result = Configuration(use_environment=False)
        for item in _DEFAULTS:
            if item in self._faults:
                result._faults[item] = self._faults[item]
                object.__delattr__(result, item)
            else:
                setattr(result, item, getattr(self, item))
        return result

    __copy__ = copy

    def __deepcopy__(self, memo: object) -> Configuration:
        return self.copy()

    def __reduce__(self) -> tuple[object, ...]:
        return _remade, (self.as_dict(),)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Configuration):
            return NotImplemented
        return self.usable() == other.usable() and self._faults == other._faults

    def __repr__(self) -> str:
        changed = [
            f"{item}={'***' if is_secret(item) else repr(value)}"
            for item, value in self.usable().items()
            if value != _DEFAULTS[item]
        ]
        return f"Configuration({', '.join(changed)})"

    def as_dict(self) -> dict[str, Any]:
        """Return item names and values.

        Raises:
            ValueError: an item has no value, because its ``PYRO_*`` variable cannot
                be used.
        """
        for fault in self._faults.values():
            raise ValueError(fault)
        return self.usable()

    def usable(self) -> dict[str, Any]:
        """Return item names and values, without the items that `faults` tells of."""
        values = (
            (item, getattr(self, item))
            for item in sorted(_DEFAULTS)
            if item not in self._faults
        )
        return {
            item: list(value) if isinstance(value, list) else value
            for item, value in values
        }

    @property
    def faults(self) -> dict[str, str]:
        """What is wrong with the ``PYRO_*`` variables of items that have no value."""
        return dict(self._faults)

    @staticmethod
    def defaults() -> dict[str, Any]:
        """Return item names and built-in defaults."""
        return {
            item: list(value) if isinstance(value, list) else value
            for item, value in sorted(_DEFAULTS.items())
        }

    def dump(self) -> str:
        """Return a readable text of versions and all items; passwords are hidden."""
        import platform  # noqa: PLC0415 - few programs need it
        from pathlib import Path  # noqa: PLC0415 - few programs need it

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
        known = self.usable()
        for item in sorted(_DEFAULTS):
            value = known.get(item, self._faults.get(item))
            lines.append(f"{item} = {'***' if value and is_secret(item) else value}")
        return "\n".join(lines)


def _remade(items: dict[str, Any]) -> Configuration:
    return Configuration(items, use_environment=False)


def _no_such(item: str) -> str:
    return f"there is no configuration item {item!r}{_resembling(item)}"


def _resembling(item: str) -> str:
    """Return a question after the item that was meant, if one looks like it."""
    import difflib  # noqa: PLC0415 - takes a while, and most programs do without

    close = difflib.get_close_matches(item.upper(), _DEFAULTS, n=1)
    return f"; did you mean {close[0]}?" if close else ""


config: Configuration = Configuration._of_the_program()  # noqa: SLF001 - of this module
"""The settings used wherever no other configuration is given."""
