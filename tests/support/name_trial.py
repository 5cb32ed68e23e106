"""Name servers over one engine that are killed while clients use them.

As a program it runs for longer than the tests do, and prints figures::

    python tests/support/name_trial.py redis 100
"""

from __future__ import annotations

import json
import mmap
import random
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pyro_protocol import Configuration
from pyro_protocol.naming import locate_ns
from support.engines import ENGINES, free_port
from support.name_load import COUNTER
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.naming import NameServerClient
    from support.engines import Engine

__all__ = ["Figures", "NameTrial"]

_SERVERS: Final = 3
_CLIENTS: Final = 8
# After each disturbance every client has to get on by so many operations.
_PROGRESS: Final = 10
# Tenths of seconds suffice where nothing else runs.
_PATIENCE_SECONDS: Final = 60.0

_CLIENT: Final = Path(__file__).with_name("name_load.py")


@dataclass
class Figures:
    """What a trial has shown.

    Attributes:
        done: how many operations have succeeded.
        seconds: how long it took.
        killed: how many name servers were killed.
        repeated: how many operations had to be done again.
        longest: how many seconds the longest took.
        wrong: answers that cannot be.
        expected: what has to be registered at the end.
        registered: what is, for each name server.
        watched: what is by the changes that somebody was told.
        claims: who got the names that all wanted.
    """

    done: int = 0
    seconds: float = 0.0
    killed: int = 0
    repeated: int = 0
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    expected: dict[str, str] = field(default_factory=dict)
    registered: list[dict[str, str]] = field(default_factory=list)
    watched: dict[str, str] = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)


class NameTrial:
    """Three name servers and eight clients, until the ``with`` block ends.

    Args:
        engine: what the name servers share.
        seed: decides who is killed, and when.
    """

    def __init__(self, engine: Engine, seed: int) -> None:
        self.figures = Figures()
        self._engine = engine
        self._random = random.Random(seed)
        self._ports = [free_port() for _ in range(_SERVERS)]
        self._stack = ExitStack()
        self._servers: list[Program] = []
        self._clients: list[Program] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._end_servers)
            for port in self._ports:
                self._servers.append(self._started(port))
            for server in self._servers:
                _wait_until_ready(server)
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            counters = Path(folder, "counters")
            counters.write_bytes(bytes(COUNTER.size * _CLIENTS))
            file = stack.enter_context(counters.open("r+b"))
            self._counters = stack.enter_context(mmap.mmap(file.fileno(), 0))
            for number in range(_CLIENTS):
                # Each prefers another one.
                ports = self._ports[number % 3 :] + self._ports[: number % 3]
                addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
                self._clients.append(
                    stack.enter_context(
                        Program(_CLIENT, addresses, str(number), counters)
                    )
                )
            for client in self._clients:
                client.wait_for("^ready$")
            self._watcher = _Watcher(self._ports)
            self._stack = stack.pop_all()
        self._began = time.monotonic()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._watcher.close()
        self._stack.close()

    def kill_a_name_server(self) -> None:
        """Kill one, see that all clients get on, and start it again."""
        number = self._random.randrange(_SERVERS)
        self._kill(number)
        self._wait_for_progress()
        self._servers[number] = self._started(self._ports[number])
        _wait_until_ready(self._servers[number])
        self._wait_for_progress()

    def restart_the_engine(self) -> None:
        """Kill the engine, and a name server that starts again before it does."""
        number = self._random.randrange(_SERVERS)
        self._engine.kill()
        self._kill(number)
        self._servers[number] = self._started(self._ports[number])
        self._engine.start()
        _wait_until_ready(self._servers[number])
        self._wait_for_progress()

    def end(self) -> Figures:
        """Have the clients end, and return what they and the name servers say."""
        figures = self.figures
        for client in self._clients:
            client.send_signal(signal.SIGTERM)
        for client in self._clients:
            self._add(json.loads(client.wait_for("^ended (.*)$")[1]))
        figures.seconds = time.monotonic() - self._began
        for port in self._ports:
            with _client_of([port]) as names:
                figures.registered.append(names.list(prefix="load."))
        with _client_of(self._ports) as names:
            names.register(_LAST, "PYRO:last@h:1")
        figures.watched = self._watcher.wait_for_last()
        return figures

    def _add(self, outcome: dict[str, Any]) -> None:
        figures = self.figures
        figures.done += outcome["done"]
        figures.repeated += outcome["repeated"]
        figures.longest = max(figures.longest, outcome["longest"])
        figures.wrong += outcome["wrong"]
        figures.expected |= outcome["expected"]
        figures.claims += outcome["claims"]

    def _kill(self, number: int) -> None:
        self._servers[number].send_signal(signal.SIGKILL)
        self._servers[number].wait()
        self.figures.killed += 1

    def _end_servers(self) -> None:
        for server in self._servers:
            with server:
                server.send_signal(signal.SIGTERM)

    def _started(self, port: int) -> Program:
        return Program(
            *("-m", "pyro_naming", "-n", "127.0.0.1", "-p", str(port), "-x"),
            *("-s", self._engine.url("trial")),
        )

    def _progress(self) -> list[int]:
        return [
            COUNTER.unpack_from(self._counters, number * COUNTER.size)[0]
            for number in range(_CLIENTS)
        ]

    def _wait_for_progress(self) -> None:
        before = self._progress()
        _wait_for(
            lambda: all(
                now >= then + _PROGRESS
                for then, now in zip(before, self._progress(), strict=True)
            ),
            "the clients do not get on",
        )


_LAST: Final = "load.last"


class _Watcher:
    """Keeps a copy of the names by the changes that it is told."""

    def __init__(self, ports: list[int]) -> None:
        self._names: dict[str, str] = {}
        self._client = _client_of(ports)
        self._watch = self._client.watch("load.", existing=True)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, name="watcher")
        self._thread.start()

    def _follow(self) -> None:
        try:
            for change in self._watch:
                if change.kind == "lost":
                    self._names.clear()
                elif change.kind == "removed":
                    self._names.pop(change.name, None)
                else:
                    self._names[change.name] = str(change.uri)
                if change.name == _LAST:
                    break
        except BaseException as error:  # noqa: BLE001 - raised where the test can see it
            self._failure = error

    def wait_for_last(self) -> dict[str, str]:
        self._thread.join(_PATIENCE_SECONDS)
        if self._failure is not None:
            raise self._failure
        assert not self._thread.is_alive(), "the last change does not come"
        return {name: uri for name, uri in self._names.items() if name != _LAST}

    def close(self) -> None:
        self._watch.close()
        self._client._pyroRelease()
        self._thread.join(_PATIENCE_SECONDS)


def _client_of(ports: list[int]) -> NameServerClient:
    addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
    return locate_ns(addresses, config=Configuration(use_environment=False))


def _wait_until_ready(server: Program) -> None:
    server.wait_for("^NS running on ")


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what
        pause.wait(0.01)


def main(kind: str, disturbances: int) -> None:
    """Run a trial and print its figures."""
    with ENGINES[kind]() as engine, NameTrial(engine, seed=6) as trial:
        for number in range(disturbances):
            if number == disturbances // 2:
                trial.restart_the_engine()
            trial.kill_a_name_server()
        figures = trial.end()
    complete = all(one == figures.expected for one in figures.registered)
    unique = len(figures.claims) == len(set(figures.claims))
    lines = [
        f"{kind}: {figures.done} operations in {figures.seconds:.0f} s",
        f"name servers killed: {figures.killed}, engine restarted: once",
        f"repeated: {figures.repeated}, the longest took {figures.longest:.2f} s",
        f"wrong answers: {len(figures.wrong)} {figures.wrong[:5]}",
        f"names at the end: {len(figures.expected)}, all servers agree: {complete}",
        f"what was watched is the same: {figures.watched == figures.expected}",
        f"names that all wanted: {len(figures.claims)}, each given to one: {unique}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
