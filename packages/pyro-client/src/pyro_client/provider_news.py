"""What name servers tell of the servers that proxies spread calls over."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final, Protocol

from pyro_protocol.naming import locate_ns
from pyro_protocol.naming.waiting import place_of

from .workers import workers

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration
    from pyro_protocol.naming import NameChange, NameWatch
    from pyro_protocol.naming.attempts import Host
    from pyro_protocol.uri import URI

__all__ = ["Follower", "NameServerNews", "news_of"]

_logger = logging.getLogger("pyro.client")

AGAIN_SECONDS: Final = 60.0
"""How long a name server is left alone that could not be watched: it may be busy, or
may be replaced by one that can."""

_MOST_KNOWN: Final = 100
"""How many places of name servers are remembered; programs know one, or a few."""

Place = tuple["Host", int | None]


class Follower(Protocol):
    """Somebody who wants to know what happens to names."""

    def heard_of(self, change: NameChange | None) -> None:
        """Take note of a change; of None, that there will be no more of them."""


class NameServerNews:
    """Watches a name server in a thread, as long as anybody follows.

    Args:
        place: host and port, as for `locate_ns`.
        config: the settings.
    """

    def __init__(self, place: Place, config: Configuration) -> None:
        self._place = place
        self._config = config
        self._lock = threading.Lock()
        self._followers: set[weakref.ref[Follower]] = set()
        self._watch: NameWatch | None = None
        self._try_at = 0.0

    @property
    def watching(self) -> bool:
        """Whether the name server is watched."""
        return self._watch is not None

    @property
    def current(self) -> bool:
        """Whether the name server tells what happens at this moment."""
        watch = self._watch
        return watch is not None and watch.current

    def follow(self, follower: Follower) -> bool:
        """Have somebody told of all that happens from now on.

        The follower is not kept alive.

        Returns:
            Whether that is possible: Pyro5's name servers, say, cannot be watched.
        """
        with self._lock:
            if self._watch is None and not self._begin():
                return False
            self._followers.add(weakref.ref(follower, self._lost))
            return True

    def unfollow(self, follower: Follower) -> None:
        """Tell somebody no more; harmless for one who does not follow."""
        self._discard(weakref.ref(follower))

    def _begin(self) -> bool:
        if time.monotonic() < self._try_at:
            return False
        self._try_at = time.monotonic() + AGAIN_SECONDS
        try:
            with locate_ns(*self._place, config=self._config) as name_server:
                watch = name_server.watch()
        except Exception as error:  # noqa: BLE001 - whatever is amiss, it is asked now and then
            _logger.debug("the name server is asked now and then: %s", error)
            return False
        self._watch = watch
        threading.Thread(
            target=self._run, args=(watch,), name="pyro-client names", daemon=True
        ).start()
        return True

    def _run(self, watch: NameWatch) -> None:
        try:
            for change in watch:
                self._tell(change)
        except Exception as error:  # noqa: BLE001 - followers begin anew
            # It does not remember that far back, say, after a restart.
            _logger.warning("the name server is not watched any more: %s", error)
        finally:
            with self._lock:
                if self._watch is watch:
                    self._watch = None
                    self._try_at = 0.0
            watch.close()
            self._tell(None)

    def _tell(self, change: NameChange | None) -> None:
        with self._lock:
            followers = list(self._followers)
            if change is None and self._watch is None:
                self._followers.clear()
        for one in followers:
            follower = one()
            if follower is not None:
                follower.heard_of(change)

    def _lost(self, follower: weakref.ref[Follower]) -> None:
        # This may run in the midst of anything, where a lock could be held; or when the
        # program ends, and no thread can be started any more.
        if sys.is_finalizing():
            return
        workers(1).submit(lambda: self._discard(follower))

    def _discard(self, follower: weakref.ref[Follower]) -> None:
        with self._lock:
            self._followers.discard(follower)
            watch = self._watch
            if self._followers or watch is None:
                return
            self._watch = None
            self._try_at = 0.0
        watch.close()

    def abandon(self) -> None:
        """Leave the connection to the parent process, after a fork."""
        # A thread of the parent may have held it.
        self._lock = threading.Lock()
        self._followers = set()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.abandon()


_known: dict[tuple[Place, int], NameServerNews] = {}
_known_lock = threading.Lock()


def news_of(uri: URI, config: Configuration) -> NameServerNews:
    """Return the news of the name server that a URI is looked up at.

    Args:
        uri: a ``PYRONAME`` or ``PYROMETA`` URI.
        config: the settings.
    """
    # The news keep the settings alive, so that the number stays theirs.
    key = place_of(uri), id(config)
    with _known_lock:
        if key not in _known:
            if len(_known) >= _MOST_KNOWN:
                for other in [one for one in _known if not _known[one].watching]:
                    del _known[other]
            _known[key] = NameServerNews(key[0], config)
        return _known[key]


def _after_fork() -> None:
    """Have a forked child watch for itself."""
    global _known_lock  # noqa: PLW0603 - one per process
    _known_lock = threading.Lock()
    for news in _known.values():
        news.abandon()
    _known.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
