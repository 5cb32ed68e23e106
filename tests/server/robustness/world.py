"""The two sides of every test here: a server process, and clients that are good."""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import pytest

from pyro_client import Proxy
from pyro_protocol.config import Configuration
from support.daemons import eventually
from support.hosting import DEADLINE
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "PROGRAMS",
    "WORKERS",
    "Callers",
    "Holdings",
    "ServerProcess",
    "plain_settings",
]

PROGRAMS: Final = Path(__file__).with_name("programs")

# Seconds within which every call of a good client is to be answered: less than the
# server gives a client for its handshake, so that waiting for that of another one is
# not taken for an answer, and more than a busy machine needs.
_PATIENCE: Final = 8.0

WORKERS: Final = 8
"""How many workers the servers have at most."""

# The pause of a good client between two calls: others need the CPU as well.
_PACE: Final = 0.001
_SETTINGS: Final = {
    "PYRO_THREADPOOL_SIZE": str(WORKERS),
    "PYRO_THREADPOOL_SIZE_MIN": "2",
    # What a client leaves behind is to be gone when the client is.
    "PYRO_ITER_STREAM_LINGER": "0",
    "PYRO_POLLTIMEOUT": "0.2",
    # What a flood leaves to be done is done before its client has gone.
    "PYRO_MAX_ONEWAY_QUEUE": "100",
}
# Threads come and go with the work, within their limit; the handshakes of usual
# clients, and what is answered to them, are kept, within theirs.
_COMING_AND_GOING: Final = frozenset({"threads", "Thread", "ConnectRequest", "Frame"})
# The call that counts is one itself, carried out in one way or in another.
_OF_THE_COUNT: Final = Counter(["Call", "Deadline", "PlainCall", "ServedCall"])


class ServerProcess:
    """A server in a process of its own; see ``programs/served.py``.

    Args:
        servertype: of the daemon.
        settings: Pyro settings besides.
        descriptors: its limit of open files, if it is to be lower.

    Attributes:
        program: the process.
        location: where it serves, as in a URI.
    """

    def __init__(
        self,
        servertype: str,
        *,
        settings: Mapping[str, str] | None = None,
        descriptors: int | None = None,
    ) -> None:
        if not Path("/proc/self/fd").is_dir():
            pytest.skip("needs /proc")
        self.program = Program(
            PROGRAMS / "served.py",
            *([] if descriptors is None else [str(descriptors)]),
            settings={
                "PYRO_SERVERTYPE": servertype,
                **_SETTINGS,
                **(settings or {}),
            },
        )
        try:
            self.location = self.program.wait_for(r"^SERVING (\S+)$")[1]
        except BaseException:
            self.close()
            raise

    def uri(self, name: str = "service") -> str:
        """Return the URI of one of its objects."""
        return f"PYRO:{name}@{self.location}"

    @property
    def process_id(self) -> int:
        """The number of the process."""
        return self.program._process.pid

    def peak_memory(self) -> int:
        """Return the most memory it has had so far, in bytes."""
        status = Path(f"/proc/{self.process_id}/status").read_text()
        found = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def forget_peak_memory(self) -> None:
        """Let the peak begin anew."""
        Path(f"/proc/{self.process_id}/clear_refs").write_text("5")

    def cpu_seconds(self) -> float:
        """Return the processor time it has used so far."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def thread_count(self) -> int:
        """Return how many threads it has."""
        return len(list(Path(f"/proc/{self.process_id}/task").iterdir()))

    def close(self) -> None:
        """Kill the process."""
        self.program.__exit__()


class Holdings:
    """What a server held at some time, to be held no more of later.

    Args:
        server: the server; it has no clients at that time.
        settings: those of its clients.
    """

    def __init__(
        self, server: ServerProcess, settings: Configuration | None = None
    ) -> None:
        settings = settings or plain_settings()
        self._census = Proxy(server.uri("census"), config=settings)
        self._census._pyroTimeout = DEADLINE
        try:
            # What is only made once is made now.
            with Proxy(server.uri("session"), config=settings) as first:
                first.work_later()
            self.before = Counter(self._settled()) | _OF_THE_COUNT
        except BaseException:
            self._census._pyroRelease()
            raise

    def _settled(self) -> dict[str, int]:
        """Return what is held once the first client has gone."""
        eventually(lambda: self._census.count().get("Session", 0) == 0)
        counted: dict[str, int] = self._census.count()
        return counted

    def left_behind(self) -> dict[str, int]:
        """Return how many there are more now than at that time, where there are."""
        now = self._census.count()
        return {
            name: number - self.before.get(name, 0)
            for name, number in now.items()
            if number > self.before.get(name, 0) and name not in _COMING_AND_GOING
        }

    def wait_until_nothing_is_left(self) -> None:
        """Wait until the server holds no more than it did, and release the census."""
        left: list[dict[str, int]] = [{}]

        def nothing_left() -> bool:
            left[0] = self.left_behind()
            return not left[0]

        with self._census:
            try:
                eventually(nothing_left)
            except AssertionError as error:
                raise AssertionError(f"left behind: {left[0]}") from error


class Callers:
    """Good clients, in threads of their own, that call all the while.

    Some keep their connections, others connect anew for each call. An answer that
    does not come in time is an error, which the test gets at the end of the ``with``
    block at the latest.

    Args:
        uri: what they call.
        settings: theirs.
        staying: how many keep their connections.
        newcomers: how many connect anew.
    """

    def __init__(
        self,
        uri: str,
        *,
        settings: Configuration | None = None,
        staying: int = 2,
        newcomers: int = 1,
    ) -> None:
        self._uri = uri
        self._settings = settings or plain_settings()
        self._done = threading.Event()
        self._answered = threading.Condition()
        self._counts = [0] * (staying + newcomers)
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(number, number < staying))
            for number in range(staying + newcomers)
        ]

    def _run(self, number: int, stays: bool) -> None:
        try:
            with self._proxy() as proxy:
                while not self._done.wait(_PACE):
                    if stays:
                        assert proxy.add(2, 3) == 5
                    else:
                        with self._proxy() as newcomer:
                            assert newcomer.add(2, 3) == 5
                    with self._answered:
                        self._counts[number] += 1
                        self._answered.notify_all()
        except BaseException as error:  # noqa: BLE001 - raised where the test can see it
            with self._answered:
                self._failure = self._failure or error
                self._answered.notify_all()

    def _proxy(self) -> Proxy:
        proxy = Proxy(self._uri, config=self._settings)
        proxy._pyroTimeout = _PATIENCE
        return proxy

    def wait_for_answers(self, count: int = 1) -> None:
        """Wait until each client has had so many answers more."""
        with self._answered:
            wanted = [one + count for one in self._counts]

            def have_come() -> bool:
                pairs = zip(self._counts, wanted, strict=True)
                return self._failure is not None or all(a >= b for a, b in pairs)

            came = self._answered.wait_for(have_come, DEADLINE)
        if self._failure is not None:
            raise AssertionError("a good client had no good answer") from self._failure
        assert came, f"answers: {self._counts}, wanted: {wanted}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        try:
            self.wait_for_answers()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: object, *_exc_info: object) -> None:
        try:
            if kind is None:
                # After all that has happened, they still are answered.
                self.wait_for_answers(3)
        finally:
            self._end()

    def _end(self) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join(DEADLINE)


def plain_settings(**items: Any) -> Configuration:
    """Return settings of a client that the environment has no part in."""
    settings = Configuration(use_environment=False)
    for name, value in items.items():
        setattr(settings, name, value)
    return settings
