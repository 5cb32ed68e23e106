"""What the path of a request stands for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

__all__ = [
    "BATCH",
    "DESCRIPTION",
    "METADATA",
    "OBJECTS",
    "PREFIX",
    "AssetRoute",
    "CallRoute",
    "NoRoute",
    "Place",
    "Route",
    "methods_of",
    "route_of",
]

PREFIX: Final = "pyro/"
"""What the paths of all objects begin with, behind the first slash."""

METADATA: Final = "$meta"
"""In the place of a method name: what the object has, as Pyro5's gateway tells it."""

DESCRIPTION: Final = "$describe"
"""In the place of a method name: signatures, types and docstrings of the object."""

BATCH: Final = "$batch"
"""In the place of a method name: several calls of the object in one request."""

OBJECTS: Final = "$objects"
"""In the place of an object: which there are."""

_ASSETS: Final = "static/"


class Place(Enum):
    """A page or document of the gateway itself."""

    TOP = "the place where the application is mounted"
    HOME = "the explorer page"
    OBJECTS = "the list of objects"
    OPENAPI = "the description of the web API"
    HEALTH = "whether the gateway is alive"
    READINESS = "whether it can reach a name server"
    METRICS = "its numbers, for Prometheus"


@dataclass(frozen=True, slots=True)
class AssetRoute:
    """A file that the explorer page consists of.

    Attributes:
        name: its name.
    """

    name: str


class CallRoute(NamedTuple):
    """A method or attribute of an object.

    Attributes:
        name: the name of the object; it may contain slashes.
        member: the name of the method or attribute, or `METADATA`, `DESCRIPTION`, or
            `BATCH`.
    """

    name: str
    member: str


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Nothing.

    Attributes:
        below_prefix: whether it is at least below `PREFIX`, where methods count.
    """

    below_prefix: bool


Route = Place | AssetRoute | CallRoute | NoRoute

_PLACES: Final[dict[str, Place]] = {
    "": Place.TOP,
    PREFIX: Place.HOME,
    f"{PREFIX}{OBJECTS}": Place.OBJECTS,
    "openapi.json": Place.OPENAPI,
    "healthz": Place.HEALTH,
    "readyz": Place.READINESS,
    "metrics": Place.METRICS,
}

_READING: Final = ("GET", "HEAD", "OPTIONS")
# Pyro5's gateway takes POST wherever it takes GET below the prefix.
_HOME: Final = ("GET", "HEAD", "POST", "OPTIONS")
_DOCUMENT: Final = ("GET", "POST", "OPTIONS")
_READ_ONLY: Final = ("GET", "OPTIONS")
_BATCHES: Final = ("POST", "OPTIONS")
_CALLS: Final = ("GET", "POST", "PUT", "OPTIONS")
_MEMBERS: Final = {METADATA: _DOCUMENT, DESCRIPTION: _READ_ONLY, BATCH: _BATCHES}


def methods_of(route: Route) -> tuple[str, ...]:
    """Return the methods of requests that a route knows."""
    if isinstance(route, CallRoute):
        return _MEMBERS.get(route.member, _CALLS)
    if isinstance(route, NoRoute):
        return _CALLS
    return _HOME if route is Place.HOME else _READING


def route_of(path: str) -> Route:
    """Return what a decoded path stands for; leading slashes do not count."""
    path = path.lstrip("/")
    place = _PLACES.get(path)
    if place is not None:
        return place
    if path.startswith(_ASSETS):
        return AssetRoute(path.removeprefix(_ASSETS))
    if not path.startswith(PREFIX):
        return NoRoute(below_prefix=False)
    name, _slash, member = path.removeprefix(PREFIX).rpartition("/")
    return CallRoute(name, member) if name and member else NoRoute(below_prefix=True)
