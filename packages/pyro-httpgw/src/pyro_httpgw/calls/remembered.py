"""What the name server has said, kept true by watching it where that is possible."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol import URI
    from pyro_protocol.naming import AsyncNameServerClient, AsyncNameWatch

__all__ = ["REMEMBER_SECONDS", "RememberedNames"]

_logger = logging.getLogger("pyro.httpgw")

REMEMBER_SECONDS: Final = 2.0
"""How long an answer of a name server counts that cannot be watched, as Pyro5's. It
saves the lookup when calls come in a row, and a change of a registration is followed
after this time at the latest."""

WATCH_AGAIN_SECONDS: Final = 60.0
"""How long a name server is left alone that could not be watched: it may be busy, or
may be replaced by one that can."""

# As many names as anybody uses within that time; a bound on memory.
_MOST_REMEMBERED: Final = 1000


class _Answer(NamedTuple):
    uri: URI
    expires: float
    # The watch that would have told of a change, if there is one.
    watch: AsyncNameWatch | None


class RememberedNames:
    """Where objects are; for use in one event loop.

    What is put here while the name server is watched counts until it tells of a change.
    While it cannot be reached, answers count as long as those of any other.

    Args:
        remember_seconds: how long an answer counts without watching.
        clock: tells the time in seconds.
    """

    def __init__(self, remember_seconds: float, clock: Callable[[], float]) -> None:
        self._remember_seconds = remember_seconds
        self._clock = clock
        self._answers: dict[str, _Answer] = {}
        # The watch that was there when the name server was asked for a name last; a
        # change of the name in the meantime takes it away.
        self._asked: dict[str, AsyncNameWatch] = {}
        self._watch: AsyncNameWatch | None = None
        self._following: asyncio.Task[None] | None = None
        self._watch_at = 0.0

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def watching(self) -> bool:
        """Whether changes are known here as soon as they happen."""
        return self._watch is not None and self._watch.current

    def get(self, name: str) -> URI | None:
        """Return where a name leads, if that is known and counts."""
        answer = self._answers.get(name)
        if answer is None:
            return None
        watched = answer.watch is not None and answer.watch is self._watch
        if answer.expires > self._clock() or (watched and self.watching):
            return answer.uri
        return None

    def will_ask(self, name: str) -> None:
        """Take note that the name server is asked for a name from now on."""
        if self._watch is not None and self.watching:
            if len(self._asked) >= _MOST_REMEMBERED:
                self._asked.clear()
            self._asked[name] = self._watch

    def put(self, name: str, uri: URI, *, lasting: bool) -> None:
        """Remember an answer.

        Args:
            name: the name that was asked for.
            uri: where it leads.
            lasting: whether nothing but a change of this name can change that.
        """
        watch = self._asked.pop(name, None)
        if len(self._answers) >= _MOST_REMEMBERED:
            self._answers.clear()
        expires = self._clock() + self._remember_seconds
        self._answers[name] = _Answer(uri, expires, watch if lasting else None)

    def forget(self, name: str) -> None:
        """Ask the name server again the next time."""
        self._answers.pop(name, None)
        self._asked.pop(name, None)

    async def follow(self, client: AsyncNameServerClient) -> None:
        """Watch a name server from now on, if it can be and is not watched yet."""
        if self._following is not None or self._clock() < self._watch_at:
            return
        self._watch_at = self._clock() + WATCH_AGAIN_SECONDS
        watch: AsyncNameWatch | None = None
        try:
            watch = client.watch()
            await watch.begin()
        except Exception as error:  # noqa: BLE001 - whatever is amiss, names are looked up
            _logger.debug("answers of the name server count for a moment: %s", error)
            if watch is not None:
                await watch.aclose()
            return
        except BaseException:
            self._watch_at = 0.0
            if watch is not None:
                watch.abort()
            raise
        self._watch = watch
        self._following = asyncio.get_running_loop().create_task(
            self._forget_changes(watch),
            # Not on behalf of the one request that happens to be the first.
            context=contextvars.Context(),
        )

    async def _forget_changes(self, watch: AsyncNameWatch) -> None:
        try:
            async for change in watch:
                self.forget(change.name)
        except Exception as error:  # noqa: BLE001 - it is watched anew
            # It does not remember that far back, say, after a restart.
            _logger.warning("the name server is not watched any more: %s", error)
            self._watch_at = 0.0
        finally:
            await watch.aclose()
            if self._watch is watch:
                self._watch = self._following = None

    async def aclose(self) -> None:
        """Stop watching."""
        following, self._following = self._following, None
        watch, self._watch = self._watch, None
        self._watch_at = 0.0
        if following is not None:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        if watch is not None:
            # One that is cancelled before it begins closes nothing.
            await watch.aclose()
