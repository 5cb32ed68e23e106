"""How watchers fare when the storage has its troubles."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import MemoryStorage, Registration
from pyro_naming.asyncio_name_server import AsyncNameServer
from pyro_naming.storages.interface import Change, HistoryLostError
from pyro_naming.threaded_name_server import ThreadedNameServer
from pyro_protocol.errors import NamingError
from support.daemons import eventually
from support.event_loops import eventually_async

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pyro_naming import Storage

A = "PYRO:a@h:1"


class Troubled(MemoryStorage):
    """A storage of which the thread that follows it gets errors.

    Attributes:
        errors: what is raised next, one after the other.
        after: called before each error.
    """

    def __init__(self, *errors: Exception, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.errors = list(errors)
        self.during: Callable[[], object] = lambda: None

    def changes(self, after: str, *, wait: float, limit: int = 1000) -> list[Change]:
        if wait and self.errors:
            self.during()
            raise self.errors.pop(0)
        return super().changes(after, wait=wait, limit=limit)


class Aliased(MemoryStorage):
    """A storage on another machine, of which one place has several positions.

    Attributes:
        meanwhile: called once, after there was found to be nothing new.
    """

    networked = True

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = None

    def position(self) -> str:
        return f"alias {super().position()}"

    def changes(self, after: str, *, wait: float, limit: int = 1000) -> list[Change]:
        found = super().changes(after.replace("alias ", ""), wait=wait, limit=limit)
        if not wait and not found and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return found


def run(storage: Storage, use: Callable[[Any, Any], Coroutine[Any, Any, None]]) -> None:
    """Use a name server and a storage in an event loop."""

    async def use_and_close() -> None:
        kind = ThreadedNameServer if storage.networked else AsyncNameServer
        names = kind(storage)
        try:
            async with asyncio.timeout(20):
                await use(names, storage)
        finally:
            names.close()
            storage.close()
            await names.join()

    asyncio.run(use_and_close())


def test_a_storage_that_fails_for_a_while_is_followed_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def use(names: Any, storage: Troubled) -> None:
        start = names.position()
        waiting = asyncio.create_task(names.changes(start, wait=20.0))
        await asyncio.sleep(0)
        names.register("x", A)
        (change,) = (await waiting)["changes"]
        assert change["name"] == "x"
        assert not storage.errors

    with caplog.at_level(logging.ERROR, "pyro.naming"):
        run(Troubled(NamingError("the engine is away")), use)
    assert "following the registrations failed" in caplog.text


def test_what_comes_too_fast_to_follow_is_read_by_the_watchers() -> None:
    async def use(names: Any, storage: Troubled) -> None:
        storage.during = lambda: names.register("x", A)
        start = names.position()
        answer = await names.changes(start, wait=20.0)
        assert [one["name"] for one in answer["changes"]] == ["x"]

    run(Troubled(HistoryLostError("history lost")), use)


def test_watchers_are_told_what_even_the_storage_has_forgotten() -> None:
    async def use(names: Any, storage: Troubled) -> None:
        def register_many() -> None:
            for number in range(5):
                names.register(f"x.{number}", A)

        storage.during = register_many
        with pytest.raises(NamingError, match=r"^history lost"):
            await names.changes(names.position(), wait=20.0)
        # And whoever begins anew goes on.
        waiting = asyncio.create_task(names.changes(names.position(), wait=20.0))
        await asyncio.sleep(0)
        names.register("y", A)
        assert [one["name"] for one in (await waiting)["changes"]] == ["y"]

    run(Troubled(HistoryLostError("history lost"), history=3), use)


def test_a_storage_that_is_away_at_the_start_is_tried_again_later() -> None:
    class Away(MemoryStorage):
        away = True

        def position(self) -> str:
            if self.away:
                raise NamingError("the engine is away")
            return super().position()

    async def use(names: Any, storage: Away) -> None:
        start = MemoryStorage.position(storage)
        with pytest.raises(NamingError, match="the engine is away"):
            await names.changes(start, wait=20.0)
        storage.away = False
        waiting = asyncio.create_task(names.changes(start, wait=20.0))
        await asyncio.sleep(0)
        names.register("x", A)
        assert (await waiting)["changes"]

    run(Away(), use)


def test_a_watcher_that_reads_slowly_gets_everything() -> None:
    async def use(names: Any, _storage: Storage) -> None:
        watch = names.watch("x.")
        names.register("x.0", A)
        assert (await anext(watch))["name"] == "x.0"
        for number in range(1, 3000):
            names.register(f"x.{number}", A)
            names.register(f"y.{number}", A)
        for number in range(1, 3000):
            assert (await anext(watch))["name"] == f"x.{number}"

    run(MemoryStorage(), use)


def test_a_watcher_of_few_names_does_not_fall_behind() -> None:
    async def use(names: Any, storage: Storage) -> None:
        def is_followed() -> bool:
            return bool(names._feed._ring.head == storage.position())

        watch = names.watch("x.")
        waiting = asyncio.create_task(anext(watch))
        await eventually_async(is_followed)
        # More than are kept, none of which concerns the watcher.
        for number in range(300):
            names.register("y", f"PYRO:{number}@h:1")
            if number % 50 == 0:
                await eventually_async(is_followed)
        names.register("x.1", A)
        assert (await waiting)["name"] == "x.1"

    run(MemoryStorage(history=100), use)


def test_nothing_is_missed_that_comes_while_the_storage_is_read() -> None:
    async def use(names: Any, storage: Aliased) -> None:
        start = storage.position()
        storage.put("w", Registration(A))
        other = storage.position()

        def register() -> None:
            head = names._feed._ring.head
            storage.put("x", Registration(A))
            eventually(lambda: names._feed._ring.head != head)

        # So that the thread begins at another position than the watcher.
        waiting = asyncio.create_task(names.changes(other, "never", wait=20.0))
        await eventually_async(lambda: names._feed._ring.head is not None)
        waiting.cancel()
        other = f"alias {other}"
        storage.meanwhile = register
        answer = await names.changes(other, wait=20.0)
        assert [one["name"] for one in answer["changes"]] == ["x"]
        answer = await names.changes(start, wait=20.0)
        assert [one["name"] for one in answer["changes"]] == ["w", "x"]

    run(Aliased(), use)


def test_nobody_begins_to_watch_after_the_end() -> None:
    async def use(names: Any, storage: Storage) -> None:
        start = storage.position()
        names.close()
        assert (await names.changes(start, wait=20.0))["changes"] == []
        assert names._feed._thread is None

    run(MemoryStorage(), use)
