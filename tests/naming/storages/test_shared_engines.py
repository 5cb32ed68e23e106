"""What happens to storages when their engine, or the way to it, fails."""

from __future__ import annotations

import contextlib
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import Registration, locate_ns, start_ns, storage_from_text
from pyro_naming.storages import FREE, engine_calls
from pyro_protocol.errors import NamingError
from pyro_protocol.testing import FaultyLine
from support.daemons import eventually
from support.engines import ENGINES, free_port, url_in_shared_engine
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyro_naming import Storage
    from support.engines import Engine

ONE = Registration("PYRO:one@h:1", frozenset({"x"}), "me", 60.0, 1.0, 1.0)
TWO = Registration("PYRO:two@h:1")

pytestmark = pytest.mark.parametrize("kind", list(ENGINES))


@pytest.fixture
def opened() -> Iterator[Callable[[str], Storage]]:
    """Opens storages, which are closed when the test is over."""
    with contextlib.ExitStack() as stack:
        yield lambda url: stack.enter_context(
            contextlib.closing(storage_from_text(url))
        )


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    """What the keys of this test begin with."""
    return tmp_path.as_posix().strip("/").replace("/", ".")


@pytest.fixture
def engine(kind: str) -> Iterator[Engine]:
    """An engine that the test may kill."""
    with ENGINES[kind]() as engine:
        yield engine


@pytest.fixture
def relay(kind: str) -> Iterator[FaultyLine]:
    """A line to the engine that can be cut."""
    url = url_in_shared_engine(kind, "any")
    location = url.split("/")[2]
    with FaultyLine(location) as relay:
        yield relay


def through(relay: FaultyLine, kind: str, prefix: str) -> str:
    port = int(relay.location.rpartition(":")[2])
    return ENGINES[kind].url_at(port, prefix)


def test_operations_wait_for_an_engine_that_is_restarted(
    engine: Engine, opened: Callable[[str], Storage]
) -> None:
    storage = opened(engine.url("test"))
    storage.put("before", ONE)
    position = storage.position()
    engine.kill()
    with ThreadPoolExecutor() as threads:
        operations: list[Future[Any]] = [
            threads.submit(storage.get, "before"),
            threads.submit(storage.put, "meanwhile", TWO, expected=FREE),
            threads.submit(storage.renew, ["before"], "me", 30.0),
            threads.submit(storage.find),
            threads.submit(storage.count_of, "me"),
            threads.submit(storage.changes, position, wait=DEADLINE),
        ]
        engine.start()
        found, put, renewed, names, count, changes = (
            operation.result(DEADLINE) for operation in operations
        )
    assert found.uri == ONE.uri
    assert put is True
    assert renewed == {"before"}
    assert "before" in names
    assert count == 1
    assert [(change.kind, change.name) for change in changes] == [
        ("added", "meanwhile")
    ]
    assert list(storage.find()) == ["before", "meanwhile"]


def test_what_was_acknowledged_outlives_a_crash_of_the_engine(
    engine: Engine, opened: Callable[[str], Storage]
) -> None:
    storage = opened(engine.url("test"))
    for number in range(50):
        storage.put(f"n{number}", ONE)
    storage.remove({f"n{number}": None for number in range(0, 50, 2)})
    engine.kill()
    engine.start()
    assert sorted(storage.find()) == sorted(f"n{number}" for number in range(1, 50, 2))
    assert storage.count_of("me") == 25


def test_waiting_for_changes_goes_on_after_a_restart(
    engine: Engine, opened: Callable[[str], Storage]
) -> None:
    storage, other = opened(engine.url("test")), opened(engine.url("test"))
    position = storage.position()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(storage.changes, position, wait=DEADLINE)
        engine.kill()
        engine.start()
        other.put("name", ONE)
        assert [change.name for change in waiting.result(DEADLINE)] == ["name"]


def test_an_engine_that_stays_away_is_named(
    engine: Engine,
    kind: str,
    opened: Callable[[str], Storage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_calls, "RETRY_SECONDS", 0.1)
    storage = opened(engine.url("test"))
    engine.kill()
    expected = rf"(?i){kind} at 127\.0\.0\.1:{engine.port}\S* cannot be reached: "
    with pytest.raises(NamingError, match=expected):
        storage.get("name")
    with pytest.raises(NamingError, match=expected):
        storage.put("name", ONE)
    with pytest.raises(NamingError, match=expected):
        opened(engine.url("test"))
    engine.start()
    assert storage.put("name", ONE)


def test_an_address_without_an_engine_is_named(
    kind: str, opened: Callable[[str], Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_calls, "RETRY_SECONDS", 0.1)
    port = free_port()
    with pytest.raises(NamingError, match=rf"127\.0\.0\.1:{port}\S* cannot be reached"):
        opened(ENGINES[kind].url_at(port, "test"))


def test_closing_ends_the_waiting_for_an_engine_that_is_away(
    engine: Engine, opened: Callable[[str], Storage]
) -> None:
    storage = opened(engine.url("test"))
    engine.kill()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(storage.get, "name")
        storage.close()
        with pytest.raises(NamingError):
            waiting.result(DEADLINE)


def test_a_write_whose_answer_was_lost_happens_once(
    kind: str, relay: FaultyLine, prefix: str, opened: Callable[[str], Storage]
) -> None:
    storage = opened(through(relay, kind, prefix))
    # So that nothing has to be made ready later, and each answer is a write's.
    storage.put("first", TWO)
    storage.remove({"first": None})
    position = storage.position()
    relay.lose_next_answer()
    assert storage.put("name", ONE, expected=FREE)
    found = storage.get("name")
    assert found is not None
    relay.lose_next_answer()
    assert storage.put("name", TWO, expected=found.version)
    relay.lose_next_answer()
    assert storage.remove({"name": None, "unknown": None}) == ["name"]
    relay.lose_next_answer()
    assert not storage.put("name", ONE, expected=found.version)
    changes = storage.changes(position, wait=0)
    assert [change.kind for change in changes] == ["added", "changed", "removed"]
    assert storage.count_of("me") == 0


def test_what_others_do_before_a_lost_write_is_asked_for_again_stays_done(
    kind: str,
    relay: FaultyLine,
    prefix: str,
    opened: Callable[[str], Storage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = opened(through(relay, kind, prefix))
    other = opened(url_in_shared_engine(kind, prefix))
    storage.put("first", TWO)
    monkeypatch.setattr(engine_calls, "_SHORTEST_PAUSE_SECONDS", 1.0)
    relay.lose_next_answer()
    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(storage.put, "name", ONE, expected=FREE)
        eventually(lambda: other.get("name"))
        assert other.remove({"name": None}) == ["name"]
        assert lost.result(DEADLINE)
    assert storage.get("name") is None
    relay.lose_next_answer()
    with ThreadPoolExecutor(1) as threads:
        removed = threads.submit(storage.remove, {"first": None})
        eventually(lambda: other.get("first") is None)
        assert other.put("first", ONE, expected=FREE)
        assert removed.result(DEADLINE) == ["first"]
    assert other.get("first") is not None


def test_reading_and_renewing_go_on_when_the_line_is_cut(
    kind: str, relay: FaultyLine, prefix: str, opened: Callable[[str], Storage]
) -> None:
    storage = opened(through(relay, kind, prefix))
    storage.put("name", ONE)
    operations: list[Callable[[], object]] = [
        lambda: storage.get("name"),
        lambda: storage.find("n"),
        lambda: storage.find_by_metadata(frozenset({"x"}), every=True),
        lambda: storage.expired(100.0, 10),
        lambda: storage.renew(["name"], "me", 2.0),
        lambda: len(storage),
        storage.position,
        lambda: storage.changes(storage.position(), wait=0) == [],
    ]
    for operation in operations:
        relay.cut_after(to_client=0)
        assert operation()
        relay.cut_after(to_server=0)
        assert operation()
    relay.cut()
    assert storage.get("name")


def test_many_threads_share_a_storage(
    kind: str, prefix: str, opened: Callable[[str], Storage]
) -> None:
    storage = opened(url_in_shared_engine(kind, prefix))
    start = threading.Barrier(20)

    def claim(number: int) -> bool:
        start.wait(DEADLINE)
        return storage.put(f"n{number % 2}", ONE, expected=FREE)

    with ThreadPoolExecutor(20) as threads:
        assert sum(threads.map(claim, range(20))) == 2


def test_storages_with_different_prefixes_do_not_see_each_other(
    kind: str, prefix: str, opened: Callable[[str], Storage]
) -> None:
    one = opened(url_in_shared_engine(kind, f"{prefix}.one"))
    other = opened(url_in_shared_engine(kind, f"{prefix}.one2"))
    one.put("name", ONE)
    assert len(other) == 0
    assert other.find() == {}


def test_a_missing_library_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = {"redis": "redis", "etcd": "etcd3gw.client"}[kind]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(NamingError, match=rf"pip install 'pyro-naming\[{kind}\]'"):
        storage_from_text(f"{kind}://127.0.0.1")


def test_a_name_server_outlives_its_engine(
    engine: Engine, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        start_ns("127.0.0.1", 0, storage=engine.url("test")).daemon as daemon,
        locate_ns(daemon.locationStr) as names,
    ):
        names.register("name", "PYRO:one@h:1", ttl=100.0, owner="me")
        engine.kill()
        monkeypatch.setattr(engine_calls, "RETRY_SECONDS", 0.1)
        for operation in (
            lambda: names.lookup("name"),
            lambda: names.register("other", "PYRO:one@h:1"),
            lambda: names.remove("name", owner="me"),
            lambda: names.renew("name", owner="me"),
            names.count,
        ):
            with pytest.raises(NamingError, match=f"(?i){kind} at .*cannot be reached"):
                operation()
        names.ping()
        engine.start()
        assert str(names.lookup("name")) == "PYRO:one@h:1"
        assert names.renew("name", owner="me") == []
