"""The name servers that are measured, each with a client process."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from naming_entries import write_file
from processes import PeerError, Worker
from sampling import Sample

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["SERVERS", "NameServerPair", "ServerKind"]

_CLIENT: Final = Path(__file__).with_name("naming_client.py")

_FILL_TIMEOUT: Final = 600.0
"""Seconds for registering as many names as there are."""

_SAMPLE_TIMEOUT: Final = 60.0
"""Seconds beyond those of a sample."""


@dataclass(frozen=True, slots=True)
class ServerKind:
    """A name server with a storage.

    Attributes:
        title: in the report.
        program: module that is the program.
        library: module of its clients.
        storage: what it keeps registrations in; ``FILE`` stands for a path.
        pyro5: whether it needs an environment with Pyro5.
        against: the one it is compared with.
        color: in the plot.
    """

    title: str
    program: str
    library: str
    storage: str
    pyro5: bool
    against: str
    color: str


SERVERS: Final = {
    "ours": ServerKind(
        *("**ours**, memory", "pyro_naming", "pyro_naming", "memory"),
        *(False, "pyro5", "#1b7837"),
    ),
    "ours-sql": ServerKind(
        *("**ours**, sqlite", "pyro_naming", "pyro_naming", "sql:FILE"),
        *(False, "pyro5-sql", "#7fbf7b"),
    ),
    "pyro5": ServerKind(
        *("Pyro5, memory", "Pyro5.nameserver", "Pyro5.api", "memory"),
        *(True, "pyro5", "#762a83"),
    ),
    "pyro5-sql": ServerKind(
        *("Pyro5, sqlite", "Pyro5.nameserver", "Pyro5.api", "sql:FILE"),
        *(True, "pyro5-sql", "#af8dc3"),
    ),
}
"""All that can be measured, by name."""


class NameServerPair:
    """A name server and a client process of it, on one CPU; a context manager.

    Args:
        name: a key of ``SERVERS``.
        interpreter: Python that has its library.
        cpu: number of the processor.
        folder: an empty one for its file.
        size: how many names are registered.

    Raises:
        PeerError: a process ended, or did not answer in time.
    """

    def __init__(
        self, name: str, interpreter: Path, cpu: int, folder: Path, size: int
    ) -> None:
        kind = SERVERS[name]
        path = folder / f"{name}-{size}.sqlite"
        if "FILE" in kind.storage:
            # To register them all would take minutes.
            write_file(path, size)
        storage = kind.storage.replace("FILE", str(path))
        settings = {
            variable: text
            for variable, text in os.environ.items()
            if not variable.startswith("PYRO_")
        }
        self._server = subprocess.Popen(
            [
                *(str(interpreter), "-u", "-m", kind.program, "-n", "127.0.0.1"),
                *("-p", "0", "-x", "-s", storage),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=settings,
            process_group=0,  # an interruption from the keyboard is the starter's
        )
        self._client: Worker | None = None
        try:
            os.sched_setaffinity(self._server.pid, {cpu})
            host, port = self._address(name)
            self._client = Worker(
                f"client of {name}",
                [str(interpreter), str(_CLIENT), kind.library, host, port, str(cpu)],
                {},
            )
            self._client.send({"fill": size})
            self._client.receive(_FILL_TIMEOUT)
        except BaseException:
            self.close()
            raise

    def sample(self, operation: str, seconds: float) -> Sample:
        """Measure an operation for some time.

        Raises:
            PeerError: the library raised, a process ended, or nothing was heard.
        """
        assert self._client
        self._client.send(
            {"operation": operation, "server": self._server.pid, "seconds": seconds}
        )
        return Sample(**self._client.receive(seconds + _SAMPLE_TIMEOUT))

    def close(self) -> None:
        """End both processes, the client first."""
        if self._client is not None:
            self._client.close()
        self._server.kill()
        self._server.wait()
        assert self._server.stdout
        self._server.stdout.close()

    def _address(self, name: str) -> tuple[str, str]:
        assert self._server.stdout
        for line in self._server.stdout:
            if found := re.match(r"URI = PYRO:\S+@(\S+):(\d+)$", line):
                return found[1], found[2]
        raise PeerError(f"the name server {name} has ended; see its output above")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
