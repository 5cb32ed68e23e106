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
    "PYRO4_CLIENTS": False,
    "PYRO4_HMAC_KEY": "",
    "PYRO4_SERVERS": False,
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
    """Where name servers are searched by broadcast; with commas in the environment."""
    COMMTIMEOUT: float
    """Seconds a call may take, and a connection be idle; 0 means no bound."""
    COMPRESSION: bool
    """Whether payloads of more than 100 bytes are compressed when sent."""
    DETAILED_TRACEBACK: bool
    """Whether remote tracebacks show local variables."""
    HANDSHAKE_MESSAGE_SIZE: int
    """Bytes a message may have until the client is admitted."""
    HANDSHAKE_TIMEOUT: float
    """Seconds a client has to complete its handshake."""
    HEARTBEAT_INTERVAL: float
    """Seconds of silence after which one side asks the other for a sign of life, if
    they agreed on that; 0 for never."""
    HEARTBEAT_TIMEOUT: float
    """Seconds the other side then has to answer before it is dropped."""
    HOST: str
    """Where daemons and the name server listen."""
    ITER_STREAMING: bool
    """Whether methods may return iterators."""
    ITER_STREAM_LIFETIME: float
    """Seconds a stream may exist; 0 means no bound."""
    ITER_STREAM_LINGER: float
    """Seconds a stream survives the loss of its connection."""
    LEASE_LINGER: float
    """Seconds a leased object survives the loss of the last connection that held it."""
    LOGFILE: str
    """Where to log to, with LOGLEVEL; ``{stderr}`` means standard error."""
    LOGLEVEL: str | None
    """The level to log at, read when the program starts; without it logging is left to
    the program."""
    LOGWIRE: bool
    """Whether messages are logged."""
    MAX_ANNOTATIONS: int
    """Annotations one message may have."""
    MAX_ANNOTATIONS_SIZE: int
    """Bytes all annotations of one message may have together."""
    MAX_BATCH_CALLS: int
    """Calls one batch may have."""
    MAX_CONNECTIONS: int
    """Connections a server may have; 0 means no bound."""
    MAX_INFLATE_RATIO: int
    """How many times larger than it arrived a compressed message may become, beyond 16
    MiB."""
    MAX_IN_FLIGHT: int
    """Calls of one connection that may be unanswered at the same time, where both sides
    can have several."""
    MAX_LEASES: int
    """Leased objects one connection may hold."""
    MAX_MESSAGE_SIZE: int
    """Bytes of payload and annotations of one message, as sent and inflated."""
    MAX_NAMES_PER_OWNER: int
    """Names one owner may have in a name server."""
    MAX_NAME_LENGTH: int
    """Characters of a registered name."""
    MAX_NAME_TAGS: int
    """Metadata tags of one name."""
    MAX_NESTING: int
    """Levels to which lists and dictionaries of a received message may be nested."""
    MAX_ONEWAY_QUEUE: int
    """Oneway calls of one connection that may wait; beyond it the server reads no more
    from it."""
    MAX_RETRIES: int
    """How often a call is repeated after the connection was lost; only if it was
    certainly not run, or may be run twice."""
    MAX_STREAMS: int
    """Streams one connection may have open."""
    MAX_TAG_LENGTH: int
    """Characters of a metadata tag."""
    MAX_WATCHERS: int
    """Clients that may watch a name server at a time."""
    MDNS_ADDRS: list[str]
    """Addresses of the network interfaces on which name servers are announced and
    searched by mDNS; empty: all, but nothing is searched beyond where broadcasts go
    (``BROADCAST_ADDRS``); with commas in the environment."""
    MDNS_NAME: str
    """The name under which a name server is announced by mDNS; programs find those with
    the same name only."""
    MESSAGE_TIMEOUT: float
    """Seconds a message may take to arrive, and a client to read some of its answers; 0
    for ever."""
    NATHOST: str | None
    """The host that URIs name, if it is not the one listened on."""
    NATPORT: int
    """The port that URIs name with ``NATHOST``; 0 means the same."""
    NS_ACCESS: str
    """The file that says who may do what at a name server."""
    NS_AUTOCLEAN: float
    """Seconds between checks of the registrations; 0 means none, else at least 3."""
    NS_BCHOST: str | None
    """Where the broadcast responder listens."""
    NS_BCPORT: int
    """The UDP port of the broadcast responder."""
    NS_HOST: str
    """Where clients look for the name server; several addresses with commas between
    them, each with or without a port, are name servers that answer alike, tried in this
    order."""
    NS_LOOKUP_DELAY: float
    """Seconds to wait for a name to appear."""
    NS_OWNER: str
    """In whose name daemons register; empty: user and machine."""
    NS_PLAIN_CLIENTS: str
    """What requests without an owner may do at a name server: ``all``, ``unowned``
    (change only what nobody owns), ``read``."""
    NS_PORT: int
    """The port of the name server."""
    NS_TOKEN: str
    """The secret that this program shows to name servers."""
    NS_TTL: float
    """Seconds for which daemons register their names, which they renew; 0 means for
    good."""
    POLLTIMEOUT: float
    """Seconds between two looks at the loop condition."""
    PREFER_IP_VERSION: int
    """4, 6, or 0 for the order of the resolver."""
    PYRO4_CLIENTS: bool
    """Whether daemons and name servers answer Pyro4 clients, on the same port."""
    PYRO4_HMAC_KEY: str
    """The key that Pyro4 peers sign their messages with; a daemon that has one admits
    nobody else."""
    PYRO4_SERVERS: bool
    """Whether proxies connect to Pyro4 daemons as well, once these have shown what they
    speak."""
    REMOTE_TRACEBACKS: str
    """Which callers get the tracebacks of exceptions: ``always``, all of them;
    ``authenticated``, those with an identity; ``never``. The others get the class, the
    text, the attributes, and the correlation id under which the server's log has the
    rest."""
    SERIALIZER: str
    """``auto``: native where both sides have it, else serpent; or the name of one."""
    SERIALIZERS_ACCEPTED: list[str]
    """What requests may be made with; ``marshal`` is unsafe with untrusted peers,
    ``pickle``, ``cloudpickle`` and ``dill`` run any code that a peer sends."""
    SERPENT_BYTES_REPR: bool
    """Whether serpent writes bytes as literals."""
    SERVERTYPE: str
    """``thread``, ``multiplex`` or ``asyncio``: what runs the calls of a daemon."""
    SOCK_NODELAY: bool
    """Whether small messages are sent at once."""
    SOCK_REUSE: bool
    """Whether an address may be listened on again at once."""
    SSL: bool
    """Whether all connections use TLS."""
    SSL_CACERTS: str
    """File or folder of certificate authorities."""
    SSL_CLIENTCERT: str
    """Certificate file of clients."""
    SSL_CLIENTKEY: str
    """Its key, if in another file."""
    SSL_CLIENTKEYPASSWD: str
    """The password of the key."""
    SSL_REQUIRECLIENTCERT: bool
    """Whether clients need a certificate."""
    SSL_SERVERCERT: str
    """Certificate file of servers."""
    SSL_SERVERKEY: str
    """Its key, if in another file."""
    SSL_SERVERKEYPASSWD: str
    """The password of the key."""
    STREAM_READ_AHEAD: int
    """Items of a stream that its producer may be ahead of its consumer, where both
    sides can send several at a time; 0 has each item produced when it is asked for."""
    THREADPOOL_QUEUE_SIZE: int
    """Requests that may wait for a worker; beyond it callers get ``ServerBusyError``.
    """
    THREADPOOL_SIZE: int
    """Threads that may run calls at the same time."""
    THREADPOOL_SIZE_MIN: int
    """Threads that stay when there is nothing to do."""
    _faults: dict[str, str]
    UNKNOWN_CLASSES: str
    """What becomes of received objects whose class is not allowed here: ``refuse``, an
    error, or ``dict``, a dictionary with the class name as ``__class__``; counts for
    the whole program."""

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
