"""The object ``test.echoserver``: something simple to call."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Final, TypeVar

from pyro_protocol import expose, oneway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["EchoServer"]

Message = TypeVar("Message")

_SLOW_SECONDS: Final = 5.0


class EchoServer:
    """Methods that try out what calls can do: results, errors, waiting, streams.

    It is meant for an event loop: the slow methods hold up nobody.

    Args:
        say: prints a line.
        stop: ends the server.
        verbose: whether each call is printed.
        slow_seconds: how long the slow methods take.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        stop: Callable[[], None],
        *,
        verbose: bool = False,
        slow_seconds: float = _SLOW_SECONDS,
    ) -> None:
        self._say = say
        self._stop = stop
        self._verbose = verbose
        self._slow_seconds = slow_seconds
        self._background: set[asyncio.Task[str]] = set()

    @property
    @expose
    def verbose(self) -> bool:
        """Whether each call is printed."""
        return self._verbose

    @verbose.setter
    @expose
    def verbose(self, on: bool) -> None:
        self._verbose = bool(on)

    @expose
    def echo(self, message: Message) -> Message:
        """Return the message."""
        self._report(f"echo: {message!r}")
        return message

    @expose
    def error(self) -> None:
        """Raise an exception.

        Raises:
            ValueError: always.
        """
        self._report("error: generating exception")
        raise ValueError("this is the generated error from echoserver echo() method")

    @expose
    def error_with_text(self) -> None:
        """Raise an exception with a short text.

        Raises:
            ValueError: always.
        """
        self._report("error: generating exception")
        raise ValueError("the message of the error")

    @expose
    @oneway
    def oneway_echo(self, message: object) -> object:
        """Take the message; the caller does not wait for it to come back."""
        self._report(f"oneway_echo: {message!r}")
        return message

    @expose
    async def slow(self) -> str:
        """Return only after some seconds."""
        return await self._answer_later("slow")

    @expose
    @oneway
    def oneway_slow(self) -> None:
        """Take some seconds, for which the caller does not wait."""
        task = asyncio.get_running_loop().create_task(self._answer_later("oneway_slow"))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    @expose
    def generator(self) -> Iterator[str]:
        """Return a stream of three items."""
        yield from ("one", "two", "three")

    @expose
    def nan(self) -> float:
        """Return the number that is none."""
        return math.nan

    @expose
    def inf(self) -> float:
        """Return the number that has no end."""
        return math.inf

    @expose
    def __dunder__(self) -> str:
        """Return a text: special names can be exposed."""
        return "should be allowed (dunder)"

    @expose
    def shutdown(self) -> None:
        """End the server."""
        self._report("shutting down")
        self._stop()

    async def _answer_later(self, name: str) -> str:
        self._report(f"{name}: waiting a bit...")
        await asyncio.sleep(self._slow_seconds)
        self._report(f"{name}: returning result")
        return "Finally, an answer!"

    def _report(self, text: str) -> None:
        if self._verbose:
            self._say(f"{time.asctime()} - {text}")
