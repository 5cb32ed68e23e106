"""From a name or metadata to the place of an object, waiting for answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from ..config import Configuration, config
from ..errors import NamingError, TimeoutError  # noqa: A004 - the documented name
from ..uri import URI
from .attempts import without_token
from .locate import locate_ns
from .waiting import (
    LONGEST_CHAIN,
    choose,
    endless_chain,
    pauses,
    place_of,
    providers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .attempts import Host
    from .client import NameServerClient

__all__ = ["resolve", "resolve_all"]

T = TypeVar("T")


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
    target = URI(uri, default_port=config.NS_PORT)
    return _follow(target, place_of(target), delay_time, config)


def resolve_all(
    uri: str | URI, delay_time: float = 0.0, *, config: Configuration = config
) -> list[URI]:
    """Return the ``PYRO`` URIs of all objects that a URI may stand for.

    For a ``PYROMETA`` URI these are all that have its tags, in random order; for
    others it is one. Names that lead nowhere are left out if there is any other.

    Args:
        uri: the URI.
        delay_time: as for `resolve`.
        config: the settings.

    Raises:
        NamingError: there is none, or no name server.
        CommunicationError: the name server did not answer.
        PyroError: the URI is not valid.
        TypeError: it is neither text nor a URI.
    """
    target = URI(uri, default_port=config.NS_PORT)
    place = place_of(target)
    tags = target.object
    if target.protocol != "PYROMETA" or isinstance(tags, str):
        return [_follow(target, place, delay_time, config)]
    with locate_ns(*place, config=config) as name_server:
        found = _patiently(
            lambda: providers(
                tags, name_server.yplookup(meta_all=tags, return_metadata=False)
            ),
            delay_time,
            config,
        )
    result: dict[URI, None] = {}
    failure: NamingError | None = None
    for one in found:
        try:
            leads_to = _follow(one, place, delay_time, config, told=False)
            result[leads_to] = None
        except NamingError as error:
            failure = error
    if failure is not None and not result:
        raise failure
    return list(result)


def _follow(
    uri: URI,
    place: tuple[Host, int | None],
    delay_time: float,
    config: Configuration,
    *,
    told: bool = True,
) -> URI:
    """Return where a URI leads, asking the name server at a place until told others.

    Args:
        uri: the URI.
        place: where to ask if it does not say so.
        delay_time: as for `resolve`.
        config: the settings.
        told: whether the program has given the URI, and not a name server.
    """
    target = uri
    for _ in range(LONGEST_CHAIN):
        if target.protocol == "PYRO":
            return target
        if target.location is not None and place_of(target) != place:
            place = place_of(target)
            if not told:
                config = without_token(config, *place)
        told = False
        with locate_ns(*place, config=config) as name_server:
            target = _find(name_server, target, delay_time, config)
    raise endless_chain(uri)


def _find(
    name_server: NameServerClient, uri: URI, delay_time: float, config: Configuration
) -> URI:
    return _patiently(lambda: _find_once(name_server, uri), delay_time, config)


def _patiently(find: Callable[[], T], delay_time: float, config: Configuration) -> T:
    for pause in pauses(delay_time, config):
        try:
            return find()
        except (NamingError, TimeoutError):
            time.sleep(pause)
    return find()


def _find_once(name_server: NameServerClient, uri: URI) -> URI:
    if isinstance(uri.object, str):
        return name_server.lookup(uri.object)
    found = name_server.yplookup(meta_all=uri.object, return_metadata=False)
    return choose(uri.object, found)
