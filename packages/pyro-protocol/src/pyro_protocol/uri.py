"""URIs: the text that says which object, and where."""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, cast

from .config import config
from .errors import PyroError

if TYPE_CHECKING:
    import builtins

__all__ = ["URI", "Protocol", "uri_of"]

Protocol = Literal["PYRO", "PYRONAME", "PYROMETA"]

_SHAPE: Final = re.compile(
    r"(?P<protocol>PYRO|PYRONAME|PYROMETA):(?P<object>\S+?)(?:@(?P<location>.+))?",
    re.IGNORECASE | re.DOTALL,
)
_IPV6: Final = re.compile(
    r"\[(?P<host>(?=[^\]]*:)[0-9a-fA-F:.]+(?:%[\w.~-]+)?)\](?::(?P<port>.*))?", re.ASCII
)
# As most are: an object, and a host in plain letters with a port.
_USUAL: Final = re.compile(r"PYRO:([^\s@]+)@([a-zA-Z0-9.-]+):([0-9]{1,5})")
_UNIX_PREFIX: Final = "./u:"
_HIGHEST_PORT: Final = 65535
# In characters: what is longer is not kept, so that those that are take 2 MiB at most.
_LONGEST_KEPT: Final = 1024


class URI:
    """Where an object is, or how to find out.

    The forms are ``PYRO:id@location``, ``PYRONAME:name[@location]`` and
    ``PYROMETA:tag,tag[@location]``.

    A location is ``host:port``, ``[ipv6]:port`` or ``./u:path`` for a Unix
    socket. The location of a ``PYRONAME`` or ``PYROMETA`` URI is that of the
    name server; without a port it gets ``default_port``, or else the
    configuration item ``NS_PORT``. A URI does not change and can be a dictionary
    key.

    Attributes:
        protocol: ``PYRO``, ``PYRONAME`` or ``PYROMETA``.
        object: the object id or name; for ``PYROMETA`` a frozenset of tags.
        sockname: the path of the Unix socket, or None.
        host: the host name or address without brackets, or None.
        port: the TCP port, or None.

    Raises:
        TypeError: the argument is neither text nor a URI.
        PyroError: the text is not a valid URI.
    """

    __slots__ = ("_hash", "host", "object", "port", "protocol", "sockname")

    protocol: Protocol
    object: str | frozenset[str]
    sockname: str | None
    host: str | None
    port: int | None
    _hash: int

    def __init__(self, uri: str | URI, *, default_port: int | None = None) -> None:
        if isinstance(uri, URI):
            self._set(uri.protocol, uri.object, uri.sockname, uri.host, uri.port)
            return
        if not isinstance(uri, str):
            raise TypeError(f"a uri must be text or a URI, not {type(uri).__name__}")
        name_server_port = config.NS_PORT if default_port is None else default_port
        if len(uri) <= _LONGEST_KEPT:
            self._set(*_kept_fields(uri, name_server_port))
        else:
            self._set(*_parse(uri, name_server_port))

    def _set(
        self,
        protocol: Protocol,
        name: str | frozenset[str],
        sockname: str | None,
        host: str | None,
        port: int | None,
    ) -> None:
        put = object.__setattr__
        put(self, "protocol", protocol)
        put(self, "object", name)
        put(self, "sockname", sockname)
        put(self, "host", host)
        put(self, "port", port)

    @classmethod
    def from_state(
        cls,
        protocol: str,
        name: str | frozenset[str],
        sockname: str | None,
        host: str | None,
        port: int | None,
    ) -> URI:
        """Make a URI of its five fields, checked as if it were parsed.

        Raises:
            PyroError: the fields do not form a valid URI.
        """
        if cls is URI and type(name) is str and len(name) <= _LONGEST_KEPT:
            with contextlib.suppress(TypeError):
                # One of the fields may be anything.
                return _kept_state(protocol, name, sockname, host, port)
        return cls._checked(protocol, name, sockname, host, port)

    @classmethod
    def _checked(
        cls,
        protocol: str,
        name: str | frozenset[str],
        sockname: str | None,
        host: str | None,
        port: int | None,
    ) -> URI:
        text = name if isinstance(name, str) else ",".join(sorted(map(str, name)))
        location = _location_text(sockname, host, port)
        uri = cls(f"{protocol}:{text}@{location}" if location else f"{protocol}:{text}")
        if isinstance(name, str) and uri.protocol == "PYROMETA":
            name = frozenset(name.split(","))
        # A name with an @, say, would silently become another URI.
        if (uri.object, uri.sockname, uri.host) != (name, sockname, host):
            raise PyroError(f"invalid uri, its fields are not those of: {str(uri)!r}")
        return uri

    @property
    def state(
        self,
    ) -> tuple[str, str | frozenset[str], str | None, str | None, int | None]:
        """The five fields in the order in which they travel on the wire."""
        return self.protocol, self.object, self.sockname, self.host, self.port

    @property
    def location(self) -> str | None:
        """The location part as text, or None where there is none."""
        return _location_text(self.sockname, self.host, self.port)

    @property
    def object_id(self) -> str:
        """The object part as text; tags of a ``PYROMETA`` URI joined by commas."""
        name = self.object
        return name if isinstance(name, str) else ",".join(sorted(name))

    def asString(self) -> str:  # noqa: N802 - the documented name
        """Return the URI as text."""
        return str(self)

    @staticmethod
    def isUnixsockLocation(location: str) -> bool:  # noqa: N802 - the documented name
        """Whether the location part of a URI is a Unix socket."""
        return location.startswith(_UNIX_PREFIX)

    def __str__(self) -> str:
        location = self.location
        text = f"{self.protocol}:{self.object_id}"
        return f"{text}@{location}" if location else text

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.URI at 0x{id(self):x}; {self}>"

    def __eq__(self, other: builtins.object) -> bool:
        if not isinstance(other, URI):
            return NotImplemented
        return self.state == other.state

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            # Made when it is needed: most URIs are looked up, used, and forgotten.
            result = hash(self.state)
            object.__setattr__(self, "_hash", result)
            return result

    def __setattr__(self, name: str, value: builtins.object) -> None:
        raise AttributeError(f"a URI does not change; make a new one to set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a URI does not change; {name!r} cannot be deleted")

    def __copy__(self) -> URI:
        return self

    def __deepcopy__(self, memo: builtins.object) -> URI:
        return self

    def __reduce__(self) -> tuple[builtins.object, ...]:
        return type(self).from_state, self.state


def uri_of(uri: str | URI, default_port: int) -> URI:
    """Return what a URI is written as, or the URI itself.

    Programs make many proxies for few objects, and a URI does not change. So one
    object may be returned for the same text again and again.

    Args:
        uri: the URI.
        default_port: see `URI`.

    Raises:
        TypeError: it is neither text nor a URI.
        PyroError: the text is not a valid URI.
    """
    if type(uri) is URI:
        return uri
    if type(uri) is str and len(uri) <= _LONGEST_KEPT:
        return _kept_uri(uri, default_port)
    return URI(uri, default_port=default_port)


@lru_cache(256)
def _kept_uri(uri: str, default_port: int) -> URI:
    # What `URI` does with a text that is not long.
    result = URI.__new__(URI)
    result._set(*_kept_fields(uri, default_port))  # noqa: SLF001 - as above
    return result


@lru_cache(256, typed=True)
def _kept_state(
    protocol: str,
    name: str,
    sockname: str | None,
    host: str | None,
    port: int | None,
) -> URI:
    return URI._checked(protocol, name, sockname, host, port)  # noqa: SLF001


_Fields = tuple[Protocol, str | frozenset[str], str | None, str | None, int | None]


def _parse(uri: str, name_server_port: int) -> _Fields:
    """Return the fields of a URI that is text.

    Raises:
        PyroError: the text is not a valid URI.
    """
    usual = _USUAL.fullmatch(uri)
    if usual is not None:
        name, host, port_text = usual.groups()
        port = int(port_text)
        # None of these begins as the path of a Unix socket does, which has a slash.
        if port <= _HIGHEST_PORT:
            return "PYRO", name, None, host, port
    return _parse_any(uri, name_server_port)


def _parse_any(uri: str, name_server_port: int) -> _Fields:
    """Do the same with a URI of any form."""
    shape = _SHAPE.fullmatch(uri)
    if shape is None:
        raise PyroError(
            f"invalid uri: {uri!r}; it must be PYRO:id@host:port, PYRONAME:name or "
            "PYROMETA:tag,tag, the latter two also with @host:port, and no blanks"
        )
    protocol = cast("Protocol", shape["protocol"].upper())
    name: str | frozenset[str] = shape["object"]
    if protocol == "PYROMETA":
        tags = shape["object"].split(",")
        if not all(tags):
            raise PyroError(f"invalid uri, empty metadata tag: {uri!r}")
        if any("@" in tag for tag in tags):
            # In another order it would begin the location.
            raise PyroError(f"invalid uri, metadata tag with an @: {uri!r}")
        name = frozenset(tags)
    location = shape["location"]
    if location is None:
        if protocol == "PYRO":
            raise PyroError(f"invalid uri, the location is missing: {uri!r}")
        return protocol, name, None, None, None
    default_port = None if protocol == "PYRO" else name_server_port
    return protocol, name, *_parse_location(location, uri, default_port)


_kept_fields = lru_cache(1024)(_parse)


def _parse_location(
    location: str, uri: str, default_port: int | None
) -> tuple[str | None, str | None, int | None]:
    """Return socket path, host and port of a location."""
    if location.startswith(_UNIX_PREFIX):
        path = location[len(_UNIX_PREFIX) :]
        if not path or ":" in path:
            raise PyroError(
                f"invalid uri, bad Unix socket path: {uri!r}; it must not be empty, "
                "nor have a colon"
            )
        return path, None, None
    if location.startswith("["):
        ipv6 = _IPV6.fullmatch(location)
        if ipv6 is None or not _is_ipv6(ipv6["host"]):
            raise PyroError(
                f"invalid uri, bad IPv6 location: {uri!r}; it must be like [::1]:4444"
            )
        host, port_text = ipv6["host"], ipv6["port"]
    else:
        host, colon, tail = location.partition(":")
        port_text = tail if colon else None
        if not host or "@" in host or any(map(str.isspace, host)):
            raise PyroError(f"invalid uri, bad host: {uri!r}")
        if port_text is not None and ":" in port_text:
            raise PyroError(f"invalid uri, an IPv6 address needs [brackets]: {uri!r}")
    if port_text is None:
        if default_port is None:
            raise PyroError(f"invalid uri, the port is missing: {uri!r}")
        return None, host, default_port
    if not (port_text.isascii() and port_text.isdigit()):
        raise PyroError(f"invalid port in uri, port={port_text}")
    port = int(port_text) if len(port_text) <= len(str(_HIGHEST_PORT)) else -1
    if not 0 <= port <= _HIGHEST_PORT:
        raise PyroError(f"invalid port in uri, port={port_text}")
    return None, host, port


def _is_ipv6(host: str) -> bool:
    from ipaddress import IPv6Address  # noqa: PLC0415 - few programs need it

    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def _location_text(
    sockname: str | None, host: str | None, port: int | None
) -> str | None:
    if sockname:
        return _UNIX_PREFIX + sockname
    if not host:
        return None
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"
