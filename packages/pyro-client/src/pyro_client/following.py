"""Following who provides what a URI stands for, where the name server tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_protocol.errors import PyroError
from pyro_protocol.naming import locate_ns
from pyro_protocol.naming.waiting import place_of

from .provider_news import news_of

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration
    from pyro_protocol.naming import NameChange
    from pyro_protocol.uri import URI

    from .provider_news import NameServerNews

__all__ = ["Following"]


class Following:
    """Counts what happens to the providers of one URI.

    Args:
        uri: the URI.
        config: the settings.

    Attributes:
        heard: how often something has happened after which the name server should be
            asked anew.
    """

    __slots__ = (
        "__weakref__",
        "_config",
        "_leads_on",
        "_names",
        "_news",
        "_told",
        "_uri",
        "heard",
    )

    def __init__(self, uri: URI, config: Configuration) -> None:
        self._uri = uri
        self._config = config
        self._told = False
        self._news: NameServerNews
        # Under which names the providers are registered.
        self._names: set[str] = set()
        # Whether one of these leads to another name, of which nothing is told.
        self._leads_on = False
        self.heard: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing can happen at this moment without being counted."""
        return self._told and not self._leads_on and self._news.current

    def begin(self) -> None:
        """Have the name server tell what happens from now on, if it can."""
        if self._told or self._uri.protocol == "PYRO":
            return
        self._names = set()
        self._leads_on = False
        self._news = news_of(self._uri, self._config)
        if not self._news.follow(self):
            return
        self._told = True
        try:
            registered = self._registered()
        except PyroError:
            # Whoever asks it for the providers themselves will see what is amiss.
            self.end()
            return
        for name, place in registered.items():
            self._learn(name, place)

    def end(self) -> None:
        """Be told no more; harmless if it has not begun."""
        if self._told:
            self._told = False
            self._news.unfollow(self)

    def _registered(self) -> dict[str, str]:
        wanted = self._uri.object
        with locate_ns(*place_of(self._uri), config=self._config) as name_server:
            if isinstance(wanted, str):
                return {wanted: str(name_server.lookup(wanted))}
            return name_server.yplookup(meta_all=wanted, return_metadata=False)

    def _learn(self, name: str, place: str | None) -> None:
        self._names.add(name)
        if place is not None and not place.upper().startswith("PYRO:"):
            self._leads_on = True

    def heard_of(self, change: NameChange | None) -> None:
        """Take note of what has happened at the name server; see `Follower`."""
        if change is None:
            self._told = False
        elif self._is_wanted(change):
            self._learn(change.name, change.uri)
        elif change.name not in self._names:
            return
        self.heard += 1

    def _is_wanted(self, change: NameChange) -> bool:
        wanted = self._uri.object
        if isinstance(wanted, str):
            return change.name == wanted
        return change.kind != "removed" and wanted <= change.metadata
