"""A watch without its connection: what it asks next, and what the answers mean."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from ..errors import (
    CommunicationError,
    DaemonError,
    NamingError,
    ProtocolError,
)
from . import operations
from .records import Changes, NameChange, NameEntry, Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from .operations import Operation

__all__ = ["ANSWER_SECONDS", "WatchCourse"]

WAIT_SECONDS: Final = 20.0
"""How long a name server waits for something to happen before it answers that nothing
has: seldom enough to cost nothing, and shorter than routers forget connections."""

ANSWER_SECONDS: Final = 10.0
"""How long after that an answer is waited for, unless the client has a bound of its
own. Then the connection, or the name server, is taken for dead."""

_PAGE_SIZE: Final = 1000
_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
# Enough to come to the longest pause.
_MOST_DOUBLINGS: Final = 10
# How long a name server that answers may go on to refuse, as it does while the engine
# is restarted where it keeps its registrations.
_REFUSING_SECONDS: Final = 60.0
# One that answers at once that nothing has happened is not to be asked all the time.
_QUICK_SECONDS: Final = 0.5

_HISTORY_LOST: Final = "history lost"


class WatchCourse:
    """Follows what happens to names.

    While there is nothing in `take_ready`, the question has to be asked and its result
    given to `answered`, or what it failed with to `failed`; each returns for how many
    seconds to pause.

    Args:
        prefix: what the names begin with.
        after: the position of a change after which to go on; None for now.
        existing: whether what is registered already comes first.
        clock: returns the time in seconds, as `time.monotonic` does.

    Raises:
        ValueError: both ``after`` and ``existing`` are given.
    """

    def __init__(
        self,
        prefix: str,
        after: str | None,
        *,
        existing: bool,
        clock: Callable[[], float],
    ) -> None:
        if after is not None and existing:
            raise ValueError("what exists is no use after a position; give one of them")
        self._prefix = prefix
        self._position = after
        self._existing = existing
        self._clock = clock
        self._ready: list[NameChange] = []
        # What is registered, by name, as far as it is known; and up to which name. None
        # if that does not matter, or was handed out.
        self._listing: dict[str, NameEntry | NameChange] | None = (
            {} if existing else None
        )
        self._listed_up_to: str | None = ""
        self._begun = False
        self._asked_at = 0.0
        self._failures = 0
        self._refused_since: float | None = None

    @property
    def position(self) -> str | None:
        """After what it goes on; None if it has not begun."""
        return self._position

    @property
    def begun(self) -> bool:
        """Whether it misses nothing any more."""
        return self._begun

    def take_ready(self) -> list[NameChange]:
        """Return what has happened since this was called last."""
        ready, self._ready = self._ready, []
        return ready

    def question(self) -> Operation[Any]:
        """Return what to ask the name server."""
        self._asked_at = self._clock()
        if self._position is None:
            return operations.position()
        if self._listing is not None:
            if self._listed_up_to is not None:
                after = self._listed_up_to
                return operations.page(
                    self._prefix, None, None, None, after, _PAGE_SIZE
                )
            return operations.changes(self._position, self._prefix, 0.0, _PAGE_SIZE)
        # Whoever begins a watch does not wait for the first change.
        wait = WAIT_SECONDS if self._begun else 0.0
        return operations.changes(self._position, self._prefix, wait, _PAGE_SIZE)

    def answered(self, answer: str | Page | Changes) -> float:
        """Take in the answer to the last question.

        Returns:
            For how many seconds to pause before the next one.
        """
        waited, self._begun = self._begun, True
        self._failures = 0
        self._refused_since = None
        if isinstance(answer, str):
            self._position = answer
        elif isinstance(answer, Page):
            self._list(answer)
        elif self._listing is not None:
            self._catch_up(self._listing, answer)
        else:
            self._ready += answer.changes
            stands_still = self._position == answer.position
            self._position = answer.position
            took = self._clock() - self._asked_at
            quick = waited and took < _QUICK_SECONDS
            if quick and stands_still and not answer.changes:
                return _QUICK_SECONDS
        return 0.0

    def _list(self, page: Page) -> None:
        if self._listing is None:
            raise AssertionError("no page was asked for")
        for entry in page.entries:
            self._listing[entry.name] = entry
        self._listed_up_to = page.next or None

    def _catch_up(
        self, listing: dict[str, NameEntry | NameChange], answer: Changes
    ) -> None:
        """Bring what was listed up to date, and hand it out when that is done.

        What happened during the listing may be in it or not. When all of that has been
        gone through again, the listing is as things are at the last position.
        """
        for change in answer.changes:
            if change.kind == "removed":
                listing.pop(change.name, None)
            else:
                listing[change.name] = change
        moved = self._position != answer.position
        self._position = answer.position
        if moved and answer.changes:
            return
        self._listing = None
        position = answer.position
        self._ready += (_known(listing[name], position) for name in sorted(listing))

    def failed(self, error: Exception) -> float:
        """Take in that the question failed.

        Returns:
            For how many seconds to pause before it is asked again.

        Raises:
            Exception: the error, if there is no use in that.
        """
        if isinstance(error, NamingError):
            if str(error).startswith(_HISTORY_LOST):
                self._begin_anew(error)
                return 0.0
            now = self._clock()
            since = self._refused_since = self._refused_since or now
            passing = now - since < _REFUSING_SECONDS
        else:
            passing = isinstance(error, CommunicationError | DaemonError)
            # It has answered, but no name server answers like that.
            passing = passing and not isinstance(error, ProtocolError)
        if not self._begun or not passing:
            raise error
        pause = min(_SHORTEST_PAUSE * 2.0**self._failures, _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        # Not all clients at once, when the name server is back.
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads clients out

    def _begin_anew(self, error: NamingError) -> None:
        if not self._existing:
            raise error
        if self._listing is None:
            self._ready.append(NameChange("lost", ""))
        self._position = None
        self._listing = {}
        self._listed_up_to = ""


def _known(one: NameEntry | NameChange, position: str) -> NameChange:
    return NameChange(
        "known", one.name, one.uri, one.metadata, one.owner, one.ttl, position
    )
