from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import MemoryStorage, Registration
from pyro_naming.autoclean import GRACE_SECONDS, AutoCleaner
from support.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def dead() -> Iterator[str]:
    """The URI of a server that is gone."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"PYRO:gone@127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def alive() -> Iterator[str]:
    """The URI of a server that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield f"PYRO:here@127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cleaner(storage: MemoryStorage, clock: Clock) -> AutoCleaner:
    return AutoCleaner(storage, 3, clock=clock)


def sweep_over_the_grace_time(cleaner: AutoCleaner, clock: Clock) -> None:
    asyncio.run(cleaner.sweep())
    clock.now += GRACE_SECONDS
    asyncio.run(cleaner.sweep())


def test_a_name_goes_when_its_server_is_out_of_reach_for_long(
    storage: MemoryStorage, cleaner: AutoCleaner, clock: Clock, dead: str
) -> None:
    storage.put("gone", Registration(dead))
    asyncio.run(cleaner.sweep())
    clock.now += GRACE_SECONDS - 1
    asyncio.run(cleaner.sweep())
    assert "gone" in storage.find()
    clock.now += 1
    asyncio.run(cleaner.sweep())
    assert storage.find() == {}


def test_a_name_stays_while_its_server_answers(
    storage: MemoryStorage, cleaner: AutoCleaner, clock: Clock, alive: str
) -> None:
    storage.put("here", Registration(alive))
    sweep_over_the_grace_time(cleaner, clock)
    assert "here" in storage.find()


def test_a_name_that_moves_in_time_stays(
    storage: MemoryStorage, cleaner: AutoCleaner, clock: Clock, dead: str, alive: str
) -> None:
    storage.put("moved", Registration(dead))
    asyncio.run(cleaner.sweep())
    storage.put("moved", Registration(alive))
    clock.now += GRACE_SECONDS
    asyncio.run(cleaner.sweep())
    storage.put("moved", Registration(dead))
    asyncio.run(cleaner.sweep())
    assert "moved" in storage.find()


def test_a_name_that_is_registered_anew_during_the_check_stays(
    clock: Clock, dead: str, alive: str
) -> None:
    class Moving(MemoryStorage):
        def find(self, *args: Any, **kwargs: Any) -> dict[str, Registration]:
            found = super().find(*args, **kwargs)
            self.put("moved", Registration(alive))
            return found

    storage = Moving()
    cleaner = AutoCleaner(storage, 3, clock=clock)
    storage.put("moved", Registration(dead))
    asyncio.run(cleaner.sweep())
    storage.put("moved", Registration(dead))
    clock.now += GRACE_SECONDS
    asyncio.run(cleaner.sweep())
    current = storage.get("moved")
    assert current is not None
    assert current.uri == alive


def test_servers_on_unix_sockets_are_checked_too(
    storage: MemoryStorage, cleaner: AutoCleaner, clock: Clock, tmp_path: Path
) -> None:
    path = str(tmp_path / "alive.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()
        storage.put("here", Registration(f"PYRO:here@./u:{path}"))
        storage.put("gone", Registration(f"PYRO:gone@./u:{tmp_path}/dead.sock"))
        sweep_over_the_grace_time(cleaner, clock)
    assert list(storage.find()) == ["here"]


def test_what_names_no_server_is_left_alone(
    storage: MemoryStorage, cleaner: AutoCleaner, clock: Clock, dead: str
) -> None:
    kept = {
        "alias": Registration("PYRONAME:other"),
        "tags": Registration("PYROMETA:x,y"),
        "nonsense": Registration("nonsense"),
        "Pyro.NameServer": Registration(dead),
        "Pyro.Daemon": Registration(dead),
    }
    for name, registration in kept.items():
        storage.put(name, registration)
    sweep_over_the_grace_time(cleaner, clock)
    assert {name: one.uri for name, one in storage.find().items()} == {
        name: one.uri for name, one in kept.items()
    }


def test_a_name_with_a_ttl_is_left_to_its_owner(
    storage: MemoryStorage, cleaner: AutoCleaner, clock: Clock, dead: str
) -> None:
    storage.put("leased", Registration(dead, ttl=60, renewed=clock.now))
    sweep_over_the_grace_time(cleaner, clock)
    assert "leased" in storage.find()


def test_unix_sockets_of_other_machines_are_left_alone(
    clock: Clock, tmp_path: Path, dead: str
) -> None:
    class Shared(MemoryStorage):
        networked = True

    storage = Shared()
    storage.put("elsewhere", Registration(f"PYRO:x@./u:{tmp_path}/no.sock"))
    storage.put("gone", Registration(dead))
    sweep_over_the_grace_time(AutoCleaner(storage, 3, clock=clock), clock)
    assert list(storage.find()) == ["elsewhere"]


def test_a_server_with_many_names_is_asked_once(
    storage: MemoryStorage, cleaner: AutoCleaner
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        for number in range(100):
            storage.put(str(number), Registration(f"PYRO:{number}@127.0.0.1:{port}"))
        asyncio.run(cleaner.sweep())
        sock.settimeout(0)
        asked, _ = sock.accept()
        asked.close()
        with pytest.raises(BlockingIOError):
            sock.accept()


@pytest.mark.parametrize("period", [-1, 0.5, 2.9])
def test_a_period_too_short_is_refused(storage: MemoryStorage, period: float) -> None:
    with pytest.raises(ValueError, match="NS_AUTOCLEAN"):
        AutoCleaner(storage, period)
