from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)

from pyro_protocol import concurrency, expose
from pyro_protocol.session.trace_context import TRACE_ID, pack_trace_context
from pyro_protocol.wire import FLAG_BATCH
from pyro_server.tracing import OpenTelemetryHook
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_server import Daemon
    from support.daemons import RawClient

TRACE, SPAN = "a" * 32, "b" * 16


def current_span() -> str:
    return f"{trace.get_current_span().get_span_context().span_id:016x}"


@expose
@concurrency("serial")
class Stove:
    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def cook(self) -> str:
        self.entered.release()
        assert self.go_on.wait(DEADLINE)
        return current_span()


@expose
class Lamp:
    def shine(self) -> str:
        return current_span()

    async def glow(self) -> str:
        await asyncio.sleep(0)
        return current_span()

    def fail(self) -> None:
        raise ValueError("boom")

    def count(self) -> Iterator[int]:
        yield from range(3)


class Traces:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.hook = OpenTelemetryHook(self.provider)

    @property
    def spans(self) -> tuple[Any, ...]:
        return tuple(self._exporter.get_finished_spans())

    def only(self) -> Any:
        (span,) = self.spans
        return span


@pytest.fixture
def traces() -> Iterator[Traces]:
    traces = Traces()
    yield traces
    traces.provider.shutdown()


@pytest.fixture
def client(
    traces: Traces, start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> RawClient:
    daemon = start()
    daemon.add_hook(traces.hook)
    client = raw(daemon.register(Lamp(), "lamp"))
    client.shake_hands()
    return client


def sent(state: str = "") -> dict[str, bytes]:
    return {TRACE_ID: pack_trace_context(f"00-{TRACE}-{SPAN}-01", state)}


@pytest.mark.parametrize("method", ["shine", "glow"])
def test_a_call_continues_the_trace_of_its_caller(
    client: RawClient, traces: Traces, method: str
) -> None:
    inner = client.call(method, annotations=sent("vendor=5"))

    span = traces.only()
    assert span.name == f"lamp/{method}"
    assert span.kind is trace.SpanKind.SERVER
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN
    assert span.context.trace_state["vendor"] == "5"
    assert f"{span.context.span_id:016x}" == inner
    assert span.attributes["rpc.service"] == "lamp"
    assert span.attributes["rpc.method"] == method
    assert span.attributes["network.peer.address"].startswith("127.0.0.1:")


@pytest.mark.parametrize("annotations", [{}, {TRACE_ID: b"nonsense"}])
def test_a_call_without_a_trace_begins_one(
    client: RawClient, traces: Traces, annotations: dict[str, bytes]
) -> None:
    client.call("shine")
    client.call("shine", annotations=annotations)

    first, second = traces.spans
    assert first.parent is second.parent is None
    assert first.context.trace_id != second.context.trace_id


def test_an_error_is_recorded(client: RawClient, traces: Traces) -> None:
    client.call("fail", annotations=sent())

    span = traces.only()
    assert span.status.status_code is trace.StatusCode.ERROR
    (event,) = span.events
    assert event.attributes["exception.type"] == "ValueError"
    assert event.attributes["exception.message"] == "boom"


def test_each_call_of_a_batch_has_its_span(client: RawClient, traces: Traces) -> None:
    calls: list[Any] = [("shine", (), {}), ("shine", (), {})]
    inner = client.call("<batch>", *calls, flags=FLAG_BATCH, annotations=sent())

    assert [f"{one.context.span_id:016x}" for one in traces.spans] == inner
    assert all(f"{one.parent.span_id:016x}" == SPAN for one in traces.spans)


def test_nothing_is_left_of_a_call(client: RawClient, traces: Traces) -> None:
    for method in ("shine", "fail", "glow", "count", "made up"):
        client.call(method, annotations=sent())

    assert len(traces.spans) == 5
    assert traces.hook._spans == {}
    assert current_span() == "0" * 16


def test_calls_at_the_same_time_have_spans_of_their_own(
    traces: Traces, start: Callable[..., Daemon], raw: Callable[..., RawClient]
) -> None:
    daemon = start()
    daemon.add_hook(traces.hook)
    uri = daemon.register(Lamp(), "lamp")
    results: list[str] = []

    def call() -> None:
        client = raw(uri)
        client.shake_hands()
        results.extend(client.call("glow", annotations=sent()) for _ in range(5))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    eventually(lambda: len(traces.spans) == 20)

    assert len(set(results)) == 20
    assert {f"{one.context.span_id:016x}" for one in traces.spans} == set(results)


@pytest.mark.parametrize("servertype", ["thread", "asyncio"])
def test_a_call_that_waits_for_its_turn_keeps_its_span(
    traces: Traces,
    start: Callable[..., Daemon],
    raw: Callable[..., RawClient],
) -> None:
    stove = Stove()
    daemon = start()
    daemon.add_hook(traces.hook)
    uri = daemon.register(stove, "stove")
    first, second = raw(uri), raw(uri)
    for one in (first, second):
        one.shake_hands()
    first.send(first.call_message("cook", annotations=sent()))
    assert stove.entered.acquire(timeout=DEADLINE)
    second.send(second.call_message("cook", annotations=sent()))
    eventually(lambda: len(traces.hook._spans) == 2)
    stove.go_on.set()

    inner = {first.receive_value(), second.receive_value()}
    assert inner == {f"{one.context.span_id:016x}" for one in traces.spans}
    assert len(inner) == 2


def test_a_missing_library_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match=r"pyro-server\[opentelemetry\]"):
        OpenTelemetryHook()
