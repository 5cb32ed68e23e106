"""A gateway in an event loop of its own."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.background import BackgroundGateway, BackgroundParts, _Answering
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings
from support.hosting import DEADLINE
from support.sources import SOURCES, Sources
from support.web import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Callable

SETTINGS = Settings(re.compile(""))


def test_threads_share_it(site: Site) -> None:
    gateway = BackgroundGateway(site.config)
    requests = [Request("GET", f"/pyro/{NAME}/echo", f"value={n}") for n in range(50)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: gateway.respond(one, SETTINGS), requests))
    assert [answer.body for answer in answers] == [b'"%d"' % n for n in range(50)]
    gateway.close()


def test_closing_it_leaves_nothing_behind(site: Site) -> None:
    before = set(threading.enumerate())
    gateway = BackgroundGateway(site.config)
    gateway.respond(Request("GET", f"/pyro/{NAME}/heat"), SETTINGS)
    gateway.close()
    assert set(threading.enumerate()) <= before
    for host in (site.daemon, site.name_server):
        host.wait_for_client_gone()
        assert host.call(lambda host=host: host.connection_count) == 0  # type: ignore[misc] # bound in the loop


def test_a_call_whose_client_has_gone_is_given_up(site: Site) -> None:
    gateway = BackgroundGateway(site.config)
    looked = threading.Semaphore(0)

    def gone() -> bool:
        looked.release()
        return site.thermostat.waiting.acquire(blocking=False)

    with pytest.raises(ConnectionAbortedError, match="client has gone"):
        gateway.respond(Request("GET", f"/pyro/{NAME}/wait"), SETTINGS, gone)
    assert looked.acquire(timeout=DEADLINE)
    # The connection over which the answer would come.
    site.daemon.wait_for_client_gone()
    site.thermostat.release.set()
    gateway.close()


def test_a_stream_that_begins_for_a_client_that_has_gone_is_closed(
    site: Site,
) -> None:
    sources = Sources()
    site.register(SOURCES, sources)
    gateway = BackgroundGateway(site.config)
    answering = _Answering(gateway._gateway)
    request = Request("GET", f"/pyro/{SOURCES}/endless")
    assert gateway.wait_for(answering.run(request, SETTINGS)).parts is not None
    gateway.wait_for(answering.abandon())
    sources.wait_until_closed()
    assert gateway._gateway.streams.count == 0
    gateway.close()


def test_nobody_looks_after_the_client_of_a_quick_call(site: Site) -> None:
    def gone() -> bool:
        raise AssertionError

    gateway = BackgroundGateway(site.config)
    answer = gateway.respond(Request("GET", f"/pyro/{NAME}/heat"), SETTINGS, gone)
    assert answer.status == 200
    gateway.close()


def test_a_gateway_that_is_closed_says_so(site: Site) -> None:
    gateway = BackgroundGateway(site.config)
    gateway.close()
    with pytest.raises(ConnectionAbortedError, match="closed"):
        gateway.respond(Request("GET", f"/pyro/{NAME}/heat"), SETTINGS)


def test_a_request_that_waits_is_ended_with_the_gateway(site: Site) -> None:
    gateway = BackgroundGateway(site.config)
    request = Request("GET", f"/pyro/{NAME}/wait")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(gateway.respond, request, SETTINGS)
        assert site.thermostat.waiting.acquire(timeout=DEADLINE)
        gateway.close()
        with pytest.raises(ConnectionAbortedError):
            waiting.result(DEADLINE)
    site.thermostat.release.set()


class Slow:
    """Parts that come when they may, or never."""

    def __init__(self, *parts: bytes) -> None:
        self.parts = list(parts)
        self.asked = threading.Event()
        self.ended: list[str] = []

    def __aiter__(self) -> Slow:
        return self

    async def __anext__(self) -> bytes:
        if self.parts:
            return self.parts.pop(0)
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append("read")
        raise AssertionError

    async def aclose(self) -> None:
        self.ended.append("closed")


@pytest.mark.parametrize("gone", [None, lambda: False])
def test_what_goes_wrong_reaches_who_waits(
    site: Site, gone: Callable[[], bool] | None
) -> None:
    async def fail() -> None:
        raise TimeoutError("inside")

    gateway = BackgroundGateway(site.config)
    with pytest.raises(TimeoutError, match="inside"):
        gateway.wait_for(fail(), gone)
    gateway.close()


def test_parts_come_one_by_one(site: Site) -> None:
    gateway = BackgroundGateway(site.config)
    parts = BackgroundParts(gateway, Slow(b"a", b"b"), None)
    assert [next(parts), next(parts)] == [b"a", b"b"]
    parts.close()
    gateway.close()


def test_a_part_that_nobody_waits_for_any_more_is_given_up_before_the_end(
    site: Site,
) -> None:
    gateway = BackgroundGateway(site.config)
    slow = Slow()
    parts = BackgroundParts(gateway, slow, slow.asked.is_set)
    with pytest.raises(ConnectionAbortedError):
        next(parts)
    parts.close()
    assert slow.ended == ["read", "closed"]
    gateway.close()


def test_what_is_still_sent_is_ended_with_the_gateway(site: Site) -> None:
    gateway = BackgroundGateway(site.config)
    slow = Slow()
    parts = BackgroundParts(gateway, slow, None)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(next, parts)
        assert slow.asked.wait(DEADLINE)
        gateway.close()
        with pytest.raises(ConnectionAbortedError):
            reading.result(DEADLINE)
    assert slow.ended == ["read", "closed"]
    parts.close()
