"""What the asyncio host makes of policies, asynchronous generators and views."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from protocol.hosts import PATIENCE, RunningHost, new_config
from pyro_protocol import DAEMON_NAME, expose
from pyro_protocol.contract import concurrency
from pyro_protocol.errors import PyroError
from pyro_protocol.transport import BlockingChannel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@expose
class Instrument:
    def __init__(self) -> None:
        self.inside = 0
        self.most = 0
        self.left: list[int] = []

    @concurrency("serial")
    async def measure(self) -> int:
        self.inside += 1
        for _ in range(3):
            await asyncio.sleep(0)
        self.most = max(self.most, self.inside)
        self.inside -= 1
        return self.most

    async def items(self, count: int) -> AsyncIterator[int]:
        try:
            for number in range(count):
                yield number
        finally:
            await asyncio.sleep(0)
            self.left.append(count)

    async def double(self, value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    def add(self, one: int, other: int) -> int:
        return one + other


def channel(host: RunningHost, object_id: str = "thing") -> BlockingChannel:
    return BlockingChannel.connect(
        host.uri(object_id), config=new_config(), timeout=PATIENCE
    )


def test_a_policy_holds_for_all_connections() -> None:
    with RunningHost({"thing": Instrument()}) as host, ThreadPoolExecutor(8) as pool:
        channels = [channel(host) for _ in range(8)]
        calls = [
            pool.submit(one.call, "thing", "measure")
            for _ in range(5)
            for one in channels
        ]
        assert {call.result(PATIENCE) for call in calls} == {1}
        for one in channels:
            one.close()


def test_an_asynchronous_generator_is_a_stream() -> None:
    instrument = Instrument()
    with RunningHost({"thing": instrument}) as host:
        one = channel(host)
        (stream_id,) = one.call("thing", "items", (2,))
        fetched = [
            one.call(DAEMON_NAME, "get_next_stream_item", (stream_id,))
            for _ in range(2)
        ]
        assert fetched == [0, 1]
        with pytest.raises(StopIteration):
            one.call(DAEMON_NAME, "get_next_stream_item", (stream_id,))
        with pytest.raises(PyroError, match="terminated"):
            one.call(DAEMON_NAME, "get_next_stream_item", (stream_id,))
        (stream_id,) = one.call("thing", "items", (5,))
        one.call(DAEMON_NAME, "get_next_stream_item", (stream_id,))
        one.call(DAEMON_NAME, "close_stream", (stream_id,))
        host.wait_until(lambda: instrument.left == [2, 5])
        one.close()


def test_coroutines_can_be_part_of_a_batch() -> None:
    with RunningHost({"thing": Instrument()}) as host:
        one = channel(host)
        calls: list[Any] = [
            ("double", (4,), {}),
            ("add", (1, 2), {}),
            ("double", (5,), {}),
        ]
        assert one.call("thing", "<batch>", calls, None, 8) == [8, 3, 10]
        one.close()


def test_what_cannot_be_marked_is_exposed_by_name() -> None:
    with RunningHost({}) as host:
        queue = deque([1, 2])
        host.in_loop(
            lambda: host.host.register(queue, "queue", expose=["append", "__len__"])
        )
        one = channel(host, "queue")
        one.call("queue", "append", (3,))
        assert one.call("queue", "__len__") == 3
        with pytest.raises(AttributeError, match="clear"):
            one.call("queue", "clear")
        one.close()
