"""``Pyro5.utils.echoserver``: an object to try things out with."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from pyro_naming.echoserver import main as _main

from ..server import expose, oneway

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["EchoServer", "main"]

_SLOW_SECONDS: float = 5.0


@expose
class EchoServer:
    """Methods that try out what calls can do: results, errors, waiting, streams."""

    __module__ = "Pyro5.utils.echoserver"

    def __init__(self) -> None:
        self._verbose = False
        self._must_shutdown = False

    def echo(self, message: Any) -> Any:
        """Return the message."""
        self._report("echo", message)
        return message

    def error(self) -> None:
        """Raise an exception.

        Raises:
            ValueError: always.
        """
        self._report("error")
        raise ValueError("this is the generated error from echoserver echo() method")

    def error_with_text(self) -> None:
        """Raise an exception with a short text.

        Raises:
            ValueError: always.
        """
        self._report("error_with_text")
        raise ValueError("the message of the error")

    @oneway
    def oneway_echo(self, message: Any) -> Any:
        """Take the message; the caller does not wait for it to come back."""
        self._report("oneway_echo", message)
        return message

    def slow(self) -> str:
        """Return only after some seconds."""
        self._report("slow")
        time.sleep(_SLOW_SECONDS)
        return "Finally, an answer!"

    @oneway
    def oneway_slow(self) -> None:
        """Take some seconds, for which the caller does not wait."""
        self._report("oneway_slow")
        time.sleep(_SLOW_SECONDS)

    def generator(self) -> Iterator[str]:
        """Return a stream of three items."""
        yield from ("one", "two", "three")

    def nan(self) -> float:
        """Return the number that is none."""
        return math.nan

    def inf(self) -> float:
        """Return the number that has no end."""
        return math.inf

    def __dunder__(self) -> str:
        """Return a text: special names can be exposed."""
        return "should be allowed (dunder)"

    def shutdown(self) -> None:
        """End the server, if it asks ``_must_shutdown``."""
        self._report("shutdown")
        self._must_shutdown = True

    @property
    def verbose(self) -> bool:
        """Whether each call is printed."""
        return self._verbose

    @verbose.setter
    def verbose(self, onoff: bool) -> None:
        self._verbose = bool(onoff)

    def _report(self, call: str, *args: object) -> None:
        if self._verbose:
            shown = "".join(f": {one!r}" for one in args)
            print(f"{time.asctime()} - {call}{shown}", flush=True)


def main(args: Sequence[str] | None = None) -> int:
    """Run the echo server until it is ended, and return the exit status.

    Args:
        args: the arguments; those of the command line if left out.
    """
    return _main(args, "Pyro5.utils.echoserver")
