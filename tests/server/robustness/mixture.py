"""Clients that do everything at random, and check each answer.

What they do follows from a seed; when it happens, from the machine. The objects they
need are here as well, as the same is done within one process and with a server of its
own.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol import behavior, concurrency, current_context, expose, oneway
from pyro_protocol.dispatch import DAEMON_NAME
from pyro_protocol.errors import (
    CallCancelledError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.session.capabilities import (
    CANCEL,
    DEADLINE,
    HEARTBEAT,
    MULTIPLEX,
    NATIVE,
)
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY
from support.concurrent_client import ConcurrentClient
from support.daemons import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from pyro_protocol import URI
    from pyro_server import Daemon

__all__ = ["Alone", "Mixed", "MixedClient", "Own", "mix", "run_mixture"]

_ALL: Final = frozenset({NATIVE, MULTIPLEX, CANCEL, DEADLINE, HEARTBEAT})
_CAPABILITIES: Final = (_ALL, _ALL, _ALL, _ALL - {MULTIPLEX}, frozenset({NATIVE}))
# Long enough for others to come in between.
_MOMENT: Final = 0.001
_RESET: Final = struct.pack("ii", 1, 0)


@expose
class Mixed:
    """An object with all kinds of methods, for any number of calls at once.

    Attributes:
        wrong: what must not have happened.
        waiting: how many calls of `wait_for_ever` have not ended.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.waiting = 0
        self._lock = threading.Lock()
        self._noted: defaultdict[str, int] = defaultdict(int)

    def work(self, number: int) -> int:
        return number

    def work_slowly(self, number: int) -> int:
        threading.Event().wait(_MOMENT)
        return number

    async def work_later(self, number: int) -> int:
        for _ in range(number % 4):
            await asyncio.sleep(0)
        return number

    async def work_slowly_later(self, number: int) -> int:
        await asyncio.sleep(_MOMENT)
        return number

    async def wait_for_ever(self) -> None:
        with self._lock:
            self.waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            # Who is asked to end twice would not come to the next line.
            await asyncio.sleep(0)
            with self._lock:
                self.waiting -= 1

    def fail(self, number: int) -> None:
        raise ValueError(number)

    def make(self, size: int) -> bytes:
        return bytes(size)

    def items(self, count: int) -> Iterator[int]:
        yield from range(count)

    async def items_later(self, count: int) -> AsyncIterator[int]:
        for number in range(count):
            await asyncio.sleep(0)
            yield number

    def _note(self, client: str, number: int) -> None:
        with self._lock:
            if number <= self._noted[client]:
                self.wrong.append(f"{client}: {number} after {self._noted[client]}")
            self._noted[client] = number

    @oneway
    def note(self, client: str, number: int) -> None:
        self._note(client, number)

    @oneway
    async def note_later(self, client: str, number: int) -> None:
        await asyncio.sleep(0)
        self._note(client, number)

    def last_noted(self, client: str) -> int:
        return self._noted[client]

    def report(self) -> tuple[int, list[str]]:
        return self.waiting, self.wrong


@expose
@concurrency("serial")
class Alone:
    """An object that is called by one at a time."""

    def __init__(self) -> None:
        self._inside = 0

    def work(self, number: int) -> int:
        self._inside += 1
        threading.Event().wait(_MOMENT / 4)
        inside = self._inside
        self._inside -= 1
        return number if inside == 1 else -inside

    async def work_later(self, number: int) -> int:
        self._inside += 1
        try:
            await asyncio.sleep(0)
            return number if self._inside == 1 else -self._inside
        finally:
            self._inside -= 1


class Held:
    """Something to be closed when its client has gone."""

    open: Final[set[Held]] = set()

    def __init__(self) -> None:
        self.open.add(self)

    def close(self) -> None:
        self.open.discard(self)


@expose
class Own:
    """An object of which each connection has its own."""

    def __init__(self) -> None:
        self._inside = 0

    def work(self, number: int) -> int:
        current_context.track_resource(Held())
        self._inside += 1
        inside = self._inside
        self._inside -= 1
        return number if inside == 1 else -inside

    async def work_later(self, number: int) -> int:
        self._inside += 1
        try:
            await asyncio.sleep(0)
            return number if self._inside == 1 else -self._inside
        finally:
            self._inside -= 1


class MixedClient:
    """One client after the other, with one seed.

    Args:
        uri: the object `Mixed`; the others are beside it.
        seed: what it does follows from that.
    """

    def __init__(self, uri: URI, seed: str) -> None:
        self._uri = uri
        self._random = random.Random(seed)
        self._seed = seed
        self._name = ""
        self._connected = self._notes = 0
        self._number = 0
        self.done: Counter[str] = Counter()

    def live(self, over: Callable[[], bool]) -> None:
        """Connect, work and leave, again and again."""
        while not over():
            names = self._random.choice(_CAPABILITIES)
            self._connected += 1
            self._name, self._notes = f"{self._seed}/{self._connected}", 0
            with ConcurrentClient(self._uri, names) as client:
                for _ in range(self._random.randrange(1, 12)):
                    if over():
                        break
                    self._burst(client, names)
                self._leave(client, names)

    def _burst(self, client: ConcurrentClient, names: frozenset[str]) -> None:
        """Send some calls, and check the answers to those that get one."""
        pending: list[tuple[int, str, int]] = []
        for _ in range(self._random.choice((1, 1, 2, 5, 20))):
            self._send(client, names, pending)
        if MULTIPLEX in names:
            self._random.shuffle(pending)
        for call, kind, number in pending:
            self._check(client, call, kind, number)

    def _send(
        self,
        client: ConcurrentClient,
        names: frozenset[str],
        pending: list[tuple[int, str, int]],
    ) -> None:
        chance = self._random
        kind = chance.choice(_KINDS)
        number = self._number = self._number + 1
        self.done[kind] += 1
        if kind.startswith("note"):
            self._notes += 1
            client.send(kind, self._name, self._notes, flags=FLAG_ONEWAY)
            return
        if kind == "wait_for_ever":
            if CANCEL not in names:
                return
            call = client.send(kind)
            client.cancel(call)
        elif kind == "batch":
            steps: list[tuple[Any, ...]] = [
                (chance.choice(("work", "work_later")), (number,), {})
                for _ in range(chance.randrange(5))
            ]
            target = chance.choice(("mixed", "alone"))
            call = client.send("<batch>", *steps, object_id=target, flags=FLAG_BATCH)
            number = len(steps) * 1_000_000 + number
        elif kind.startswith("items"):
            call = client.send(kind, number % 4)
        elif kind == "make":
            call = client.send(kind, 1 << chance.randrange(18))
        else:
            target, _, method = kind.rpartition(".")
            timeout = None
            if DEADLINE in names and chance.random() < 0.05:
                timeout, kind = _MOMENT, f"{kind} in time"
            call = client.send(
                method, number, object_id=target or "mixed", timeout=timeout
            )
            if CANCEL in names and chance.random() < 0.05:
                client.cancel(call)
                kind += " cancelled"
        pending.append((call, kind, number))

    def _check(
        self, client: ConcurrentClient, call: int, kind: str, number: int
    ) -> None:
        wanted: tuple[type[Exception], ...] = ()
        if kind.startswith("fail"):
            wanted = (ValueError,)
        if kind.endswith("cancelled") or kind == "wait_for_ever":
            wanted += (CallCancelledError,)
        if "in time" in kind:
            wanted += (TimeoutError,)
        try:
            result = client.answer(call)
        except wanted as error:
            if type(error) is ValueError and error.args != (number,):
                raise AssertionError(f"{error!r} is not of call {number}") from error
        else:
            self._check_result(client, kind, number, result)

    def _check_result(
        self, client: ConcurrentClient, kind: str, number: int, result: Any
    ) -> None:
        if kind.startswith("items"):
            (stream_id,) = result
            wanted = range(self._random.randrange(5))
            for count in wanted:
                step = ("get_next_stream_item", stream_id)
                try:
                    item = client.call(*step, object_id=DAEMON_NAME)
                except StopIteration:
                    assert count == number % 4
                    return
                assert item == count
        elif kind == "make":
            assert not any(result)
        elif kind == "batch":
            count, value = divmod(number, 1_000_000)
            assert result == [value] * count, (result, number)
        else:
            assert result == number, kind

    def _leave(self, client: ConcurrentClient, names: frozenset[str]) -> None:
        """Leave in one of the ways there are, some of them in the midst of work."""
        way = self._random.randrange(6)
        if way > 1:
            for _ in range(self._random.choice((0, 3, 10))):
                kind = self._random.choice(_KINDS_TO_LEAVE)
                if kind == "wait_for_ever" and CANCEL not in names:
                    # It may still be reading, for all the server knows.
                    continue
                target, _, method = kind.rpartition(".")
                arguments = () if method == "wait_for_ever" else (3,)
                client.send(method, *arguments, object_id=target or "mixed")
        else:
            eventually_noted = client.call("last_noted", self._name)
            assert eventually_noted <= self._notes
        try:
            if way == 2:
                client.sock.sendall(self._random.randbytes(50))
            elif way == 3:
                client.sock.sendall(b"PYRO\x01\xf6\x00")
            elif way == 4:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError:
            return


_KINDS: Final = (
    *("work", "work", "work", "work_slowly", "work_later", "work_slowly_later"),
    *("alone.work", "alone.work_later", "own.work", "own.work_later"),
    *("fail", "make", "items", "items_later", "note", "note_later"),
    *("batch", "wait_for_ever"),
)
_KINDS_TO_LEAVE: Final = (
    *("work", "work_slowly", "work_later", "wait_for_ever", "items", "items_later"),
    *("alone.work", "alone.work_later", "own.work", "own.work_later"),
)


def run_mixture(
    uri: URI, seed: int, *, clients: int, over: Callable[[], bool]
) -> Counter[str]:
    """Have clients do everything until it is over; returns how often they did what.

    Raises:
        AssertionError: an answer was wrong, or none came.
    """
    failures: list[BaseException] = []
    mixed = [MixedClient(uri, f"{seed}/{number}") for number in range(clients)]

    def live(one: MixedClient) -> None:
        try:
            one.live(lambda: bool(failures) or over())
        except BaseException as error:  # noqa: BLE001 - raised where the test can see it
            failures.append(error)

    threads = [threading.Thread(target=live, args=(one,)) for one in mixed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(
            f"seed {seed}: {type(failures[0]).__name__}: {failures[0]}"
        ) from failures[0]
    return sum((one.done for one in mixed), Counter())


def mix(
    daemon: Daemon, seed: int, *, clients: int, over: Callable[[], bool]
) -> Counter[str]:
    """Run a mixture against a daemon, which must hold nothing of it afterwards.

    Raises:
        AssertionError: an answer was wrong, or none came, or something is left.
    """
    mixed = Mixed()
    uri = daemon.register(mixed, "mixed")
    daemon.register(Alone(), "alone")
    daemon.register(behavior(instance_mode="session")(Own), "own")
    done = run_mixture(uri, seed, clients=clients, over=over)
    host: Any = daemon.transportServer
    gates: Any = daemon._service.dispatcher._gates
    held: dict[str, Callable[[], Any]] = {
        "connections": daemon.connections,
        "coroutines": lambda: daemon._coroutines._running,
        "gates": lambda: gates._gates,
        "streams": lambda: daemon.streams._streams,
        "resources": lambda: Held.open,
        "waiting": lambda: mixed.waiting,
        "receiving": lambda: host._receiving,
        "postponed": lambda: host._postponed,
        "times": lambda: sum(
            map(
                len,
                (host._pinged, host._quiet, host._idle, host._unwritten),
            )
        ),
    }
    for name, left in held.items():
        eventually(lambda left=left: not left(), f"no {name}: {left()}")  # type: ignore[misc] # mypy has no type for a default
    assert mixed.wrong == []
    return done
