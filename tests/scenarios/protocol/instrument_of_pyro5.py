"""A server made with the real Pyro5; runs in Pyro5's environment.

Usage: instrument_of_pyro5.py [UNIX_SOCKET]
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from Pyro5.api import Daemon, SerializedBlob, current_context, expose, oneway

if TYPE_CHECKING:
    from collections.abc import Iterator


class OnlyHereError(Exception):
    """No other program knows this class."""


@expose
class Probe:
    def name(self) -> str:
        return "probe"


@expose
class Instrument:
    def __init__(self) -> None:
        self._level = 1
        self._noted = threading.Event()
        self._note: Any = None

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def echo(self, value: Any) -> Any:
        return value

    def size(self, value: Any) -> int:
        return len(value)

    def long(self, size: int) -> str:
        return "x" * size

    def fail(self) -> None:
        raise ValueError("out of range", 7)

    def fail_unknown(self) -> None:
        raise OnlyHereError("no such probe", 5)

    @oneway  # type: ignore[untyped-decorator] # Pyro5 has no annotations
    def note(self, value: Any) -> None:
        self._note = value
        self._noted.set()

    def wait_for_note(self) -> Any:
        assert self._noted.wait(20)
        self._noted.clear()
        return self._note

    def never(self) -> None:
        threading.Event().wait()

    def readings(self, count: int) -> Iterator[int]:
        yield from range(count)

    def probe(self) -> Probe:
        probe = Probe()
        self._pyroDaemon.register(probe)  # type: ignore[attr-defined] # set by the daemon
        return probe

    def blob(self, blob: SerializedBlob) -> list[Any]:
        return [blob.info, blob.deserialized()]

    def annotated(self) -> list[str]:
        current_context.response_annotations = {"RSPX": b"response"}
        return [
            *sorted(current_context.annotations),
            str(current_context.correlation_id),
        ]

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value


class Careful(Daemon):  # type: ignore[misc] # Pyro5 has no annotations
    def validateHandshake(self, conn: Any, data: Any) -> Any:
        if data == "burglar":
            raise PermissionError("not you")
        return {"welcome": data}

    def annotations(self) -> dict[str, bytes]:
        return {"SRVR": b"server"}


with (
    Careful(unixsocket=sys.argv[1])
    if len(sys.argv) > 1
    else Careful("127.0.0.1") as daemon
):
    print("ready at", daemon.register(Instrument(), "instrument"), flush=True)  # noqa: T201 - for the test
    daemon.requestLoop()
