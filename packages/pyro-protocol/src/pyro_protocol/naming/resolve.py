"""From a name or metadata to the place of an object, waiting for answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..config import Configuration, config
from ..errors import NamingError, TimeoutError  # noqa: A004 - the documented name
from ..uri import URI
from .locate import locate_ns
from .waiting import LONGEST_CHAIN, choose, endless_chain, pauses, place_of

if TYPE_CHECKING:
    from .client import NameServerClient

__all__ = ["resolve"]


def resolve(
    uri: str | URI, delay_time: float = 0.0, *, config: Configuration = config
) -> URI:
    """Return the ``PYRO`` URI of the object that a URI stands for.

    A ``PYRO`` URI stands for itself. The name of a ``PYRONAME`` URI is looked up
    at the name server. Of the objects that have all tags of a ``PYROMETA`` URI
    one is chosen at random.

    Args:
        uri: the URI.
        delay_time: how many seconds to wait for a name, or metadata, that is not
            registered yet; 0 means ``config.NS_LOOKUP_DELAY``.
        config: the settings.

    Raises:
        NamingError: there is no such name or metadata, or no name server.
        CommunicationError: the name server did not answer.
        PyroError: the URI is not valid.
        TypeError: it is neither text nor a URI.
    """
    original = target = URI(uri, default_port=config.NS_PORT)
    place = place_of(target)
    for _ in range(LONGEST_CHAIN):
        if target.protocol == "PYRO":
            return target
        if target.location is not None:
            place = place_of(target)
        with locate_ns(*place, config=config) as name_server:
            target = _find(name_server, target, delay_time, config)
    raise endless_chain(original)


def _find(
    name_server: NameServerClient, uri: URI, delay_time: float, config: Configuration
) -> URI:
    for pause in pauses(delay_time, config):
        try:
            return _find_once(name_server, uri)
        except (NamingError, TimeoutError):
            time.sleep(pause)
    return _find_once(name_server, uri)


def _find_once(name_server: NameServerClient, uri: URI) -> URI:
    if isinstance(uri.object, str):
        return name_server.lookup(uri.object)
    found = name_server.yplookup(meta_all=uri.object, return_metadata=False)
    return choose(uri.object, found)
