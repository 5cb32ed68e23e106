"""A client that registers, looks up, renews and removes names until it is told to end.

It knows what every answer has to be. At SIGTERM it prints, as JSON, what it has done
and what was wrong. Run with: addresses of name servers, its number, and a file in
which it counts the operations that have succeeded, for all to see.
"""

from __future__ import annotations

import json
import mmap
import random
import signal
import struct
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pyro_protocol import Configuration
from pyro_protocol.errors import CommunicationError, NamingError
from pyro_protocol.naming import locate_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_protocol.naming import NameServerClient

__all__ = ["COUNTER", "Load"]

COUNTER = struct.Struct("=Q")

# Longer than any run: that they are alive at the end is due to being registered.
_TTL_SECONDS = 3600.0
_NAMES = 25

T = TypeVar("T")


class Load:
    """The work of one client.

    Args:
        names: a client of the name servers.
        number: tells this one's names and claims from those of others.

    Attributes:
        expected: what each of its own names has to be registered as.
        claims: the names that it alone may have got, of those that all want.
        wrong: answers that cannot be.
        repeated: how many operations have failed and were done again.
        longest: how many seconds the longest operation took, repetitions included.
    """

    def __init__(self, names: NameServerClient, number: int) -> None:
        self.expected: dict[str, str] = {}
        self.claims: list[str] = []
        self.wrong: list[str] = []
        self.repeated = 0
        self.longest = 0.0
        self._names = names
        self._number = number
        self._random = random.Random(number)
        self._written = 0
        self._claimed = 0

    def step(self) -> None:
        """Do one thing, and compare the answer."""
        began = time.monotonic()
        name = f"load.{self._number}.{self._random.randrange(_NAMES)}"
        action = self._random.choices(
            [self._look_up, self._register, self._remove, self._renew, self._claim],
            [40, 30, 15, 10, 5],
        )[0]
        action(name)
        self.longest = max(self.longest, time.monotonic() - began)

    def check_all(self) -> None:
        """Look up every name once more."""
        for number in range(_NAMES):
            self._look_up(f"load.{self._number}.{number}")

    def _look_up(self, name: str) -> None:
        def look_up() -> str | None:
            try:
                return str(self._names.lookup(name))
            except NamingError as error:
                if "unknown name" in str(error):
                    return None
                raise

        found, _ = self._persist(look_up)
        if found != self.expected.get(name):
            self.wrong.append(f"{name}: {found}, not {self.expected.get(name)}")

    def _register(self, name: str) -> None:
        self._written += 1
        uri = f"PYRO:object{self._written}@client{self._number}:1"
        tags = {f"client.{self._number}", f"kind.{self._written % 3}"}
        owner = f"client{self._number}"
        self._persist(
            lambda: self._names.register(
                name, uri, metadata=tags, ttl=_TTL_SECONDS, owner=owner
            )
        )
        self.expected[name] = uri

    def _remove(self, name: str) -> None:
        owner = f"client{self._number}"
        count, again = self._persist(lambda: self._names.remove(name, owner=owner))
        # One that has failed may have been done.
        possible = {int(name in self.expected)} | ({0} if again else set())
        if count not in possible:
            self.wrong.append(f"removed {count} of {name}, not {possible}")
        self.expected.pop(name, None)

    def _renew(self, _name: str) -> None:
        names = list(self.expected)
        owner = f"client{self._number}"
        lost, _ = self._persist(lambda: self._names.renew(names, owner=owner))
        if lost:
            self.wrong.append(f"not renewed: {lost}")

    def _claim(self, _name: str) -> None:
        """Try to be the first to register the next of the names that all want."""
        name = f"claim.{self._claimed}"
        self._claimed += 1
        uri = f"PYRO:claim@client{self._number}:1"

        def claim() -> bool:
            try:
                self._names.register(name, uri, safe=True)
            except NamingError as error:
                if "already registered" not in str(error):
                    raise
                # It may have been this one, when the answer was lost.
                return str(self._names.lookup(name)) == uri
            return True

        is_mine, _ = self._persist(claim)
        if is_mine:
            self.claims.append(name)

    def _persist(self, operation: Callable[[], T]) -> tuple[T, bool]:
        """Do something until it succeeds; return also whether it was repeated."""
        again = False
        while True:
            try:
                return operation(), again
            except CommunicationError:
                again = True
            except NamingError as error:
                if "cannot be reached" not in str(error):
                    raise
                again = True
            self.repeated += 1


def main(addresses: str, number: int, counters: Path) -> dict[str, Any]:
    """Work until SIGTERM, and return what is to be told."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    config = Configuration(use_environment=False)
    with counters.open("r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
        names = locate_ns(addresses, config=config)
        load = Load(names, number)
        began, done = time.monotonic(), 0
        sys.stdout.write("ready\n")
        while not ending.is_set():
            load.step()
            done += 1
            COUNTER.pack_into(shared, number * COUNTER.size, done)
        seconds = time.monotonic() - began
        load.check_all()
        names._pyroRelease()
    return {
        "done": done,
        "seconds": seconds,
        "expected": load.expected,
        "claims": load.claims,
        "wrong": load.wrong,
        "repeated": load.repeated,
        "longest": load.longest,
    }


if __name__ == "__main__":
    outcome = main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    sys.stdout.write(f"ended {json.dumps(outcome)}\n")
