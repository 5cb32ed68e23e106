"""A name server that is killed while clients register."""

from __future__ import annotations

import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

from pyro_naming import locate_ns
from pyro_protocol.errors import PyroError
from support.hosting import DEADLINE
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENTS = 4
REGISTRATIONS = 10_000
KILLED_AFTER = (2_000, 5_000, 8_000)


class Registering:
    """Clients that register one name after the other until their server is gone."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.acknowledged: list[int] = []
        self._numbers: Iterator[int] = iter(range(REGISTRATIONS))
        self._lock = threading.Lock()

    def run(
        self, host: str, port: int, killed_after: int, kill: threading.Event
    ) -> None:
        with locate_ns(host, port) as names:
            while (number := self._next()) is not None:
                try:
                    names.register(f"n{number}", uri_of(number), metadata=["t"])
                except PyroError:
                    return
                self.acknowledged.append(number)
                if len(self.acknowledged) >= killed_after:
                    kill.set()
        kill.set()

    def _next(self) -> int | None:
        with self._lock:
            number = next(self._numbers, None)
            if number is not None:
                self.begun.append(number)
            return number


def uri_of(number: int) -> str:
    return f"PYRO:object{number}@host:4444"


def name_server(path: Path) -> tuple[Program, str, int]:
    program = Program(
        *("-m", "pyro_naming", "-n", "127.0.0.1", "-p", "0", "-x", "-s", f"sql:{path}")
    )
    try:
        ready = program.wait_for(r"^URI = PYRO:Pyro.NameServer@(\S+):(\d+)$")
    except BaseException:
        with program:
            raise
    return program, ready[1], int(ready[2])


def test_no_acknowledged_registration_is_lost_when_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "names.sqlite"
    registering = Registering()
    for killed_after in (*KILLED_AFTER, REGISTRATIONS):
        kill = threading.Event()
        program, host, port = name_server(path)
        with program, ThreadPoolExecutor(CLIENTS) as threads:
            clients = [
                threads.submit(registering.run, host, port, killed_after, kill)
                for _ in range(CLIENTS)
            ]
            kill.wait(DEADLINE * 3)
            program.end(signal.SIGKILL)
            for client in clients:
                client.result(DEADLINE)
    begun, acknowledged = set(registering.begun), set(registering.acknowledged)
    assert len(begun) == REGISTRATIONS
    # Each kill may have met what every client had under way.
    assert len(acknowledged) >= REGISTRATIONS - CLIENTS * (len(KILLED_AFTER) + 1)
    program, host, port = name_server(path)
    with program, locate_ns(host, port) as names:
        found = names.yplookup(meta_all=["t"], return_metadata=False)
    assert {f"n{number}": uri_of(number) for number in acknowledged}.items() <= (
        found.items()
    )
    assert {int(name[1:]) for name in found} <= begun
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
