"""What idle connections cost a server: memory, threads, and everybody's time.

    python benchmarks/idle.py [--connections N] [--rounds N] [--seconds S]
                              [--only NAMES] [--json FILE] [--pyro5-python FILE]

Opens connections that have shaken hands and say nothing more, and measures a new
client beside a server without them. Prints Markdown; see the README beside this file.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import socket
import sys
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, Self

from environment import EnvironmentFailedError, pyro5_python
from peers.registry import PEERS
from processes import Pair, PeerError
from pyro_protocol import URI
from pyro_protocol.config import Configuration
from pyro_protocol.serializers import serializers
from pyro_protocol.session import ClientSession, SessionSettings
from pyro_protocol.wire import MessageType
from report import describe_machine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_SERVERS: Final = (
    *("ours", "ours-multiplex", "ours-asyncio"),
    *("pyro5", "pyro5-multiplex"),
)

_WORKERS: Final = "8"
"""Of our servers, at most. Pyro5's thread server keeps its default: there it is the
number of connections."""

_SPARE: Final = 200
"""Descriptors that a process needs for other things than connections."""

_PORTS: Final = 20_000
"""Connections from one address; each needs a port of its own."""

_BIND_ADDRESS_NO_PORT: Final = 24
"""The kernel's number for an option that Python has no name for before 3.12."""

_KIND_AT: Final = 6
"""Place of the type in a message."""

_WARM_UP: Final = 100
"""Connections that are opened and closed before memory is looked at."""

_TIMEOUT: Final = 20.0
"""Seconds for the answer to a handshake; a server that is asked in vain is full."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found about one server.

    Attributes:
        connections: idle ones that it took.
        memory: bytes of its own for each of them.
        threads: of the server with them.
        connect: microseconds for connecting, a call and closing, without and with
            them; medians of the rounds.
        call: the same for a call.
        connect_ratio: with them, as a multiple of without; median of the rounds' own.
        call_ratio: the same for a call.
    """

    connections: int
    memory: float
    threads: int
    connect: tuple[float, float]
    call: tuple[float, float]
    connect_ratio: float
    call_ratio: float


class Crowd:
    """Idle connections to one server; a context manager.

    Args:
        address: the URI that the server has announced.
    """

    def __init__(self, address: str) -> None:
        self._uri = URI(address)
        self._hello = _handshake(self._uri.object_id)
        self._sockets: list[socket.socket] = []

    def __len__(self) -> int:
        return len(self._sockets)

    def grow(self, size: int) -> None:
        """Connect until there are so many, or the server takes no more."""
        while len(self._sockets) < size:
            sock = socket.socket()
            sock.settimeout(_TIMEOUT)
            if turn := len(self._sockets) // _PORTS:
                # The port is chosen when the server is known: others may have it too.
                sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                sock.bind((f"127.0.0.{1 + turn}", 0))
            try:
                sock.connect((self._uri.host, self._uri.port))
                sock.sendall(self._hello)
                answer = sock.recv(65536)
            except OSError:
                answer = b""
            if answer[_KIND_AT : _KIND_AT + 1] != bytes([MessageType.CONNECTOK]):
                sock.close()
                return
            self._sockets.append(sock)

    def shrink(self, count: int) -> None:
        """Close so many."""
        for _ in range(min(count, len(self._sockets))):
            self._sockets.pop().close()

    def close(self) -> None:
        """Close all."""
        self.shrink(len(self._sockets))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _handshake(object_id: str) -> bytes:
    """Return the bytes with which our clients begin."""
    settings = SessionSettings.from_config(Configuration(use_environment=False))
    session = ClientSession(settings)
    session.send_connect(serializers["serpent"], object_id, "hello")
    return b"".join(session.data_to_send())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a server failed."""
    options = _parse(arguments)
    most = _raise_descriptor_limit() - _SPARE
    wanted = min(options.connections, most)
    _print(f"# Idle connections\n\n{describe_machine()}; {options.rounds} rounds.")
    if wanted < options.connections:
        _print(f"The limit of open files allows {wanted} connections only.")
    _print(_HEAD)
    found: dict[str, Figures] = {}
    failed = False
    for name in options.only or _SERVERS:
        try:
            found[name] = _measure(name, wanted, options)
        except (PeerError, EnvironmentFailedError, OSError) as error:
            _print(f"| {PEERS[name].title} | failed |")
            sys.stderr.write(f"{name} failed: {error}\n")
            failed = True
        else:
            _print(_row(name, found[name]))
    if options.json:
        content = {name: asdict(figures) for name, figures in found.items()}
        options.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return int(failed)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=10_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="of each figure; default: 0.5"
    )
    parser.add_argument(
        "--only", default="", metavar="NAMES", help=f"of {', '.join(_SERVERS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--pyro5-python", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    options.only = [name for name in options.only.split(",") if name]
    for name in options.only:
        if name not in _SERVERS:
            parser.error(f"--only: {name!r} is none of {', '.join(_SERVERS)}")
    if min(options.connections, options.rounds, options.seconds) <= 0:
        parser.error("--connections, --rounds and --seconds must be positive")
    return options


def _raise_descriptor_limit() -> int:
    """Allow this process and its children as many files as the system lets them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _measure(name: str, wanted: int, options: argparse.Namespace) -> Figures:
    """Measure a server with the crowd beside the same server without it."""
    interpreter = Path(sys.executable)
    settings = {"PYRO_THREADPOOL_SIZE": _WORKERS}
    if PEERS[name].needs_pyro5:
        interpreter = options.pyro5_python or pyro5_python()
        settings = {}
    with ExitStack() as running:
        empty, full = (
            running.enter_context(Pair(name, interpreter, None, settings))
            for _ in range(2)
        )
        # Neither caches nor pools of memory shall grow on account of the crowd.
        full.sample("connect", options.seconds)
        with Crowd(full.address) as first:
            first.grow(min(wanted, _WARM_UP))
        full.sample("connect", options.seconds)
        before = _own_memory(full)
        crowd = running.enter_context(closing(Crowd(full.address)))
        crowd.grow(wanted)
        memory = (_own_memory(full) - before) / max(len(crowd), 1)
        size, threads = len(crowd), _thread_count(full)
        if size < wanted:
            # Where a connection is a thread there would be none for a new client.
            crowd.shrink(4)
        connect = _alternate(empty, full, "connect", options)
        call = _alternate(empty, full, "sequential", options)
    return Figures(
        connections=size,
        memory=memory,
        threads=threads,
        connect=_medians(connect),
        call=_medians(call),
        connect_ratio=median(with_them / without for without, with_them in connect),
        call_ratio=median(with_them / without for without, with_them in call),
    )


def _alternate(
    empty: Pair, full: Pair, measure: str, options: argparse.Namespace
) -> list[tuple[float, float]]:
    """Return microseconds for an operation at both servers, round by round."""
    return [
        (
            _microseconds(empty, measure, options.seconds),
            _microseconds(full, measure, options.seconds),
        )
        for _ in range(options.rounds)
    ]


def _microseconds(pair: Pair, measure: str, seconds: float) -> float:
    sample = pair.sample(measure, seconds)
    return 1e6 * sample.seconds / sample.operations


def _medians(rounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    without, with_them = zip(*rounds, strict=True)
    return median(without), median(with_them)


def _own_memory(pair: Pair) -> int:
    """Return the bytes of a server's memory that come from no file."""
    rollup = Path(f"/proc/{pair.server_process_id}/smaps_rollup").read_text("ascii")
    found = re.search(r"^Anonymous:\s*(\d+) kB$", rollup, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


def _thread_count(pair: Pair) -> int:
    return len(list(Path(f"/proc/{pair.server_process_id}/task").iterdir()))


_HEAD: Final = (
    "| server | idle connections | KiB for each | threads"
    " | connect+call+close µs, without / with | ratio | call µs, without / with"
    " | ratio |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|"
)


def _row(name: str, figures: Figures) -> str:
    cells = (
        PEERS[name].title,
        f"{figures.connections:,}",
        f"{figures.memory / 1024:.2f}",
        f"{figures.threads}",
        f"{figures.connect[0]:,.0f} / {figures.connect[1]:,.0f}",
        f"{figures.connect_ratio:.2f}",
        f"{figures.call[0]:,.0f} / {figures.call[1]:,.0f}",
        f"{figures.call_ratio:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def _print(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
