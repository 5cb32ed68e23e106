"""One request on its way to an answer, with all that its handler needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .answers.stream_counts import StreamCounts
    from .calls.names import NameCache
    from .calls.objects import RemoteObjects
    from .messages import Request
    from .routing import Route
    from .settings import Settings

__all__ = ["ANYBODY", "Caller", "Exchange"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    Attributes:
        authenticated: whether it has presented a key or a token.
        name: what the settings call it; ``""`` if it has no name.
    """

    authenticated: bool
    name: str = ""


ANYBODY = Caller(authenticated=False)
"""Somebody who has presented nothing."""


@dataclass(slots=True)
class Exchange:
    """A request on its way.

    Who gets it to answer may rely on `caller` and `parameters`; before, they are those
    of nobody.

    Attributes:
        request: the request.
        settings: those that count for it.
        parameters: those of its query string, by name, without the gateway key.
        caller: who sends it.
        names: what the name server knows.
        objects: what it can call.
        streams: those that are being passed on.
        correlation: the id of the request.
        route: what its path stands for, when that has been found out.
    """

    request: Request
    settings: Settings
    parameters: dict[str, list[str]]
    caller: Caller
    names: NameCache
    objects: RemoteObjects
    streams: StreamCounts
    correlation: str = ""
    route: Route | None = None

    @property
    def shows_tracebacks(self) -> bool:
        """Whether remote tracebacks are told."""
        return self.settings.shows_tracebacks(authenticated=self.caller.authenticated)
