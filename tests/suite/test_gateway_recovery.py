"""What web clients see while a name server or a daemon is killed, and comes back."""

from __future__ import annotations

import contextlib
import http.client
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import pytest

from support.gateway import GatewayProcess
from support.hosting import DEADLINE
from support.name_server_program import NameServerProgram
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM: Final = Path(__file__).parent / "programs" / "announcing.py"
NAME: Final = "http.lamp"
# The name is to outlive its daemon, however long that takes to start again.
TTL: Final = 600.0
CLIENTS: Final = 4
UNAVAILABLE: Final = {502, 503, 504}

# Three processes have to start, and some of them twice.
pytestmark = pytest.mark.timeout(180)


class Load:
    """Clients that go on asking a gateway until the end of the ``with`` block.

    Attributes:
        wrong: answers that nobody should get.
    """

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway
        self._changed = threading.Condition()
        self._over = False
        # By client: how its last requests were answered, and how many in a row.
        self._last = [(0, 0)] * CLIENTS
        self.wrong: list[str] = []
        self._threads = [
            threading.Thread(target=self._ask, args=(number,), name=f"client {number}")
            for number in range(CLIENTS)
        ]

    def _ask(self, number: int) -> None:
        connection = self._gateway.connect()
        with contextlib.closing(connection):
            while not self._over:
                try:
                    # Over one connection, which the gateway keeps whatever happens.
                    connection.request("GET", f"/pyro/{NAME}/shine")
                    response = connection.getresponse()
                    status, body = response.status, response.read()
                except (OSError, http.client.HTTPException) as error:
                    status, body = 0, repr(error).encode()
                self._note(number, status, body)

    def _note(self, number: int, status: int, body: bytes) -> None:
        if status not in UNAVAILABLE and (status, body) != (200, b'"white"'):
            self.wrong.append(f"{status} {body!r}")
        with self._changed:
            before, times = self._last[number]
            self._last[number] = status, times + 1 if status == before else 1
            self._changed.notify_all()

    def wait_until_all(self, condition: Callable[[int], bool], times: int = 1) -> None:
        """Wait until each client has got such a status so many times in a row."""

        def happened() -> bool:
            return all(
                condition(status) and count >= times for status, count in self._last
            )

        with self._changed:
            assert self._changed.wait_for(happened, DEADLINE), self._last

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._over = True
        for thread in self._threads:
            thread.join(DEADLINE)


def works(status: int) -> bool:
    return status == 200


def fails(status: int) -> bool:
    return status in UNAVAILABLE


class House:
    """A name server, a daemon and a gateway, each a process of its own.

    Attributes:
        name_server: the name server.
        gateway: the gateway.
    """

    def __init__(self, stack: contextlib.ExitStack, folder: Path) -> None:
        self._stack = stack
        self.name_server = NameServerProgram(stack, f"sql:{folder / 'names.sqlite'}")
        self.start_daemon()
        environment = self.name_server.environment | {
            # With it a search for the name server takes seconds.
            "PYRO_BROADCAST_ADDRS": "",
        }
        self.gateway = stack.enter_context(GatewayProcess(environment=environment))

    def start_daemon(self) -> None:
        """Start the daemon, at a port of its own."""
        self._daemon = self._stack.enter_context(
            Program(
                *(PROGRAM, NAME, str(TTL), "alice"),
                settings=self.name_server.environment,
            )
        )
        self._daemon.wait_for("^announced ")

    def kill_daemon(self) -> None:
        """End the daemon at once."""
        self._daemon.end(signal.SIGKILL)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with contextlib.ExitStack() as stack:
        yield House(stack, tmp_path)


def test_a_daemon_that_is_killed_is_called_again_where_it_comes_back(
    house: House,
) -> None:
    with Load(house.gateway) as load:
        load.wait_until_all(works)
        for _ in range(2):
            house.kill_daemon()
            load.wait_until_all(fails)
            house.start_daemon()
            load.wait_until_all(works, times=10)
    assert load.wrong == []


def test_a_name_server_that_is_killed_is_asked_again_when_it_is_back(
    house: House,
) -> None:
    with Load(house.gateway) as load:
        load.wait_until_all(works)
        for _ in range(2):
            house.name_server.kill()
            load.wait_until_all(fails)
            house.name_server.start()
            load.wait_until_all(works, times=10)
    assert load.wrong == []


def test_nothing_has_to_be_restarted_when_both_were_killed(house: House) -> None:
    with Load(house.gateway) as load:
        load.wait_until_all(works)
        house.name_server.kill()
        house.kill_daemon()
        load.wait_until_all(fails)
        house.name_server.start()
        house.start_daemon()
        load.wait_until_all(works, times=10)
    assert load.wrong == []
