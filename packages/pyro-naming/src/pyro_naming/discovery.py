"""Finding a name server by mDNS, and announcing one: the extra ``zeroconf``.

A name server is a service of the type `SERVICE_TYPE`. Its TXT record has ``name`` if
``MDNS_NAME`` is set, by which programs tell theirs from others, and ``host`` if it was
told to listen on a host by name, as certificates are made out to names.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import platform
import queue
import threading
import time
import uuid
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol import NAMESERVER_NAME, URI, Configuration
from pyro_protocol.errors import CommunicationError, NamingError, PyroError

from .broadcast import takes_ipv4
from .interfaces import Address, own_interfaces, within_reach

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Generator, Iterator

__all__ = ["SERVICE_TYPE", "Announcement", "find", "require_library"]

_logger = logging.getLogger("pyro.naming")

SERVICE_TYPE: Final = "_pyro-ns._tcp.local."
"""The type of service that name servers are announced as."""

_INSTANCE: Final = "Pyro name server on {machine}"
# A label of DNS has 63 bytes at most; the rest is for a number, if there are several.
_LONGEST_LABEL: Final = 56
# A TXT record has 255 bytes for each item and its key.
_LONGEST_NAME: Final = 200
# How long one that was found may take to tell its address: it tells it together with
# its name as a rule, and others wait meanwhile.
_DETAILS_SECONDS: Final = 1.0
_LOOPBACK: Final = "127.0.0.1"


def require_library() -> None:
    """Make sure that name servers can be announced.

    Raises:
        NamingError: the library is not installed.
    """
    try:
        import_module("zeroconf")
    except ImportError as error:
        raise NamingError(
            "to announce a name server by mDNS, install python-zeroconf: "
            "pip install 'pyro-naming[zeroconf]'"
        ) from error


class Announcement:
    """A name server that can be found by mDNS, as long as its event loop runs.

    Make one with `start`, and end it with `stop`.
    """

    def __init__(self, service: Any, responder: Any, sending: Awaitable[Any]) -> None:
        self._service = service
        self._responder = responder
        self._sending = asyncio.ensure_future(sending)

    @classmethod
    async def start(
        cls, uri: URI, sock: socket.socket, config: Configuration
    ) -> Announcement:
        """Begin to announce a name server.

        Args:
            uri: its URI, on this side of an address translation.
            sock: the TCP socket that it listens on.
            config: the settings.

        Raises:
            NamingError: the library is not installed, it listens on a Unix socket, or
                ``MDNS_NAME`` is too long.
            CommunicationError: the network interfaces cannot be used for it.
        """
        require_library()
        bound = sock.getsockname()
        if not isinstance(bound, tuple):
            raise NamingError(
                "a name server on a Unix socket cannot be announced by mDNS; let it "
                "listen on a host, or do without"
            )
        addresses = _addresses(sock, config)
        interfaces = config.MDNS_ADDRS
        if all(address.is_loopback for address in addresses):
            # Others could do nothing with that, and need not hear of it.
            interfaces = [_LOOPBACK]
        from zeroconf.asyncio import (  # noqa: PLC0415 - an extra
            AsyncServiceInfo,
            AsyncZeroconf,
        )

        instance = config.MDNS_NAME or _INSTANCE.format(machine=platform.node())
        service = AsyncServiceInfo(
            SERVICE_TYPE,
            f"{_label(instance)}.{SERVICE_TYPE}",
            addresses=[address.packed for address in addresses],
            port=bound[1],
            properties=_properties(uri, config),
            # Not the name of the machine, whose addresses others look after.
            server=f"pyro-ns-{uuid.uuid4().hex}.local.",
        )
        try:
            responder = AsyncZeroconf(interfaces=interfaces or _all_interfaces())
        except OSError as error:
            raise CommunicationError(
                f"cannot announce the name server by mDNS: {error}; MDNS_ADDRS says "
                "on which network interfaces that is done"
            ) from error
        try:
            sending = await responder.async_register_service(
                service, allow_name_change=True
            )
        except BaseException:
            await responder.async_close()
            raise
        _logger.info("the name server is announced by mDNS as %s", service.name)
        return cls(service, responder, sending)

    @property
    def name(self) -> str:
        """The name of the service; it has a number if others have the same one."""
        return str(self._service.name).removesuffix(f".{SERVICE_TYPE}")

    async def stop(self) -> None:
        """Tell that the name server goes, and announce it no more."""
        self._sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sending
        await self._responder.async_close()


def find(config: Configuration, seconds: float) -> Generator[str]:
    """Return the URIs of the name servers that can be found by mDNS.

    They are those with the same ``MDNS_NAME``. Without the library there are none, and
    where nothing is to be broadcast nothing is searched.

    Args:
        config: the settings.
        seconds: how long to search.
    """
    try:
        import_module("zeroconf")
    except ImportError:
        return
    interfaces = _searched_interfaces(config)
    if not interfaces:
        return
    heard: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    found: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # In a thread of its own, because the library would otherwise make use of an event
    # loop that runs in this one, and wait for it while it waits here.
    searching = threading.Thread(
        target=_search,
        args=(interfaces, config, seconds, heard, found),
        name="pyro search by mDNS",
        daemon=True,
    )
    searching.start()
    try:
        while (text := found.get()) is not None:
            yield text
    finally:
        heard.put(None)
        searching.join()


def _searched_interfaces(config: Configuration) -> Any:
    """Return where to search: not beyond where broadcasts go."""
    if config.MDNS_ADDRS or not config.BROADCAST_ADDRS:
        return config.MDNS_ADDRS
    if all(text.startswith("127.") for text in config.BROADCAST_ADDRS):
        return [_LOOPBACK]
    return _all_interfaces()


def _search(
    interfaces: Any,
    config: Configuration,
    seconds: float,
    heard: queue.SimpleQueue[str | None],
    found: queue.SimpleQueue[str | None],
) -> None:
    """Put into a queue what is found, and at the end None; None ends it earlier."""
    import zeroconf  # noqa: PLC0415 - an extra

    def hear(name: str, state_change: zeroconf.ServiceStateChange, **_: object) -> None:
        if state_change is not zeroconf.ServiceStateChange.Removed:
            heard.put(name)

    end = time.monotonic() + seconds
    try:
        with contextlib.closing(zeroconf.Zeroconf(interfaces=interfaces)) as searcher:
            zeroconf.ServiceBrowser(searcher, SERVICE_TYPE, handlers=[hear])
            while (left := end - time.monotonic()) > 0:
                with contextlib.suppress(queue.Empty):
                    name = heard.get(timeout=left)
                    if name is None:
                        break
                    wait = min(left, _DETAILS_SECONDS)
                    service = searcher.get_service_info(
                        SERVICE_TYPE, name, int(wait * 1000)
                    )
                    if service is not None:
                        for text in _uris(service, config):
                            found.put(text)
    except (OSError, zeroconf.Error) as error:
        _logger.debug("name servers cannot be searched by mDNS: %s", error)
    finally:
        found.put(None)


def _uris(service: Any, config: Configuration) -> Iterator[str]:
    """Return the URIs of a service; anybody on the network can have announced it."""
    said = service.properties
    if (said.get(b"name") or b"") != config.MDNS_NAME.encode():
        return
    hosts = [(said.get(b"host") or b"").decode("utf-8", "replace")]
    for address in within_reach(service.parsed_scoped_addresses(), own_interfaces()):
        version = 6 if ":" in address else 4
        if config.PREFER_IP_VERSION in (0, version):
            hosts.append(f"[{address}]" if version == 6 else address)  # noqa: PLR2004
    for host in filter(None, hosts):
        with contextlib.suppress(PyroError):
            yield str(URI(f"PYRO:{NAMESERVER_NAME}@{host}:{service.port}"))


def _properties(uri: URI, config: Configuration) -> dict[str, str]:
    result = {}
    if len(config.MDNS_NAME.encode()) > _LONGEST_NAME:
        raise NamingError(
            f"MDNS_NAME is too long to be announced; it has {_LONGEST_NAME} bytes at "
            "most"
        )
    if config.MDNS_NAME:
        result["name"] = config.MDNS_NAME
    if uri.host is not None:
        try:
            ipaddress.ip_address(uri.host.partition("%")[0])
        except ValueError:
            result["host"] = uri.host
    return result


def _addresses(sock: socket.socket, config: Configuration) -> list[Address]:
    """Return the addresses by which a listening socket can be reached."""
    bound = ipaddress.ip_address(sock.getsockname()[0].partition("%")[0])
    if not bound.is_unspecified:
        return [getattr(bound, "ipv4_mapped", None) or bound]
    own: list[Address] = [ipaddress.ip_address(text) for text in config.MDNS_ADDRS]
    own = own or [one.ip for one in own_interfaces()]
    versions = {bound.version, 4 if takes_ipv4(sock) else bound.version}
    usable = [one for one in own if one.version in versions and not one.is_link_local]
    elsewhere = [one for one in usable if not one.is_loopback]
    return elsewhere or usable


def _all_interfaces() -> Any:
    from zeroconf import InterfaceChoice  # noqa: PLC0415 - an extra

    return InterfaceChoice.All


def _label(text: str) -> str:
    """Return a text in such a form that it can be a part of a name in DNS."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return shown.replace(".", " ").encode()[:_LONGEST_LABEL].decode("utf-8", "ignore")
