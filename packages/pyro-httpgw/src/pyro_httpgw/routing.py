"""What the path of a request stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "METADATA",
    "PREFIX",
    "CallRoute",
    "HomeRoute",
    "NoRoute",
    "Route",
    "TopRoute",
    "route_of",
]

PREFIX: Final = "pyro/"
"""What the paths of all that is answered begin with, behind the first slash."""

METADATA: Final = "$meta"
"""In the place of a method name: what the object has."""


@dataclass(frozen=True, slots=True)
class TopRoute:
    """The place where the application is mounted, from where it is sent home."""


@dataclass(frozen=True, slots=True)
class HomeRoute:
    """The home page."""


@dataclass(frozen=True, slots=True)
class CallRoute:
    """A method or attribute of an object.

    Attributes:
        name: the name of the object; it may contain slashes.
        member: the name of the method or attribute, or `METADATA`.
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


Route = TopRoute | HomeRoute | CallRoute | NoRoute


def route_of(path: str) -> Route:
    """Return what a decoded path stands for; leading slashes do not count."""
    path = path.lstrip("/")
    if not path:
        return TopRoute()
    if not path.startswith(PREFIX):
        return NoRoute(below_prefix=False)
    rest = path.removeprefix(PREFIX)
    if not rest:
        return HomeRoute()
    name, _slash, member = rest.rpartition("/")
    return CallRoute(name, member) if name and member else NoRoute(below_prefix=True)
