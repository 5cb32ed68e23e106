"""A server made with the real Pyro5; runs in Pyro5's environment.

Usage: workshop_of_pyro5.py [NAME_SERVER_HOST NAME_SERVER_PORT]
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from Pyro5.api import Daemon, SerializedBlob, current_context, expose, locate_ns, oneway

if TYPE_CHECKING:
    from collections.abc import Iterator


class OnlyHereError(Exception):
    """No other program knows this class."""


@expose
class Tool:
    def name(self) -> str:
        return "saw"


@expose
class Workshop:
    def __init__(self) -> None:
        self._level = 1
        self._noted = threading.Event()
        self._ended = threading.Event()
        self._note: Any = None

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def arguments(self, *args: Any, **kwargs: Any) -> list[Any]:
        return [list(args), kwargs]

    def fail(self) -> None:
        error = ValueError("the vice is stuck", 7)
        error.shelf = 3  # type: ignore[attr-defined] # what the test looks for
        raise error

    def fail_unknown(self) -> None:
        raise OnlyHereError("no such drawer", 5)

    def note(self, value: Any) -> None:
        self._note = value
        self._noted.set()

    oneway(note)

    def wait_for_note(self) -> Any:
        assert self._noted.wait(20)
        self._noted.clear()
        return self._note

    def count(self, most: int) -> Iterator[int]:
        try:
            yield from range(most)
        finally:
            self._ended.set()

    def wait_for_end_of_stream(self) -> bool:
        ended = self._ended.wait(20)
        self._ended.clear()
        return ended

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> str:
        return ["a", "b", "c"][index]

    def seen(self) -> list[Any]:
        annotations = {
            name: bytes(data).decode()
            for name, data in current_context.annotations.items()
            if name != "CAPS"
        }
        current_context.response_annotations = {"SEEN": b"yes"}
        return [annotations, str(current_context.correlation_id)]

    def blob(self, blob: SerializedBlob) -> list[Any]:
        return [blob.info, blob.deserialized()]

    def tool(self) -> Tool:
        tool = Tool()
        self._pyroDaemon.register(tool)  # type: ignore[attr-defined] # the daemon sets it
        return tool


class Guarded(Daemon):  # type: ignore[misc] # Pyro5 has no annotations
    def validateHandshake(self, conn: Any, data: Any) -> Any:
        if data == "burglar":
            raise ValueError("no burglars")
        return ["welcome", data]


def main() -> None:
    with Guarded(host="127.0.0.1") as daemon:
        uri = daemon.register(Workshop(), "workshop")
        if len(sys.argv) > 1:
            with locate_ns(sys.argv[1], int(sys.argv[2])) as name_server:
                name_server.register("house.workshop", uri, metadata={"wood", "metal"})
        sys.stdout.write(f"ready at {uri}\n")
        sys.stdout.flush()
        daemon.requestLoop()


main()
