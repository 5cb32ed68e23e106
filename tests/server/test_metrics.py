from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import prometheus_client
import pytest

from pyro_protocol import expose, requires
from pyro_protocol.config import Configuration
from pyro_protocol.dispatch import Call, CallDetails, ClientConnection
from pyro_server import Daemon
from pyro_server.labels import CallLabel
from pyro_server.metrics import MOST_LABELS, PrometheusHook
from support.daemons import eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.transport import BlockingChannel
    from support.daemons import RawClient


@expose
class Lamp:
    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def shine(self) -> int:
        return 1

    def fail(self) -> None:
        raise ValueError("boom")

    @requires("operator")
    def switch(self) -> None:
        pass

    def count(self) -> Iterator[int]:
        yield from range(3)

    def wait(self) -> None:
        self.entered.release()
        assert self.go_on.wait(DEADLINE)


class Metrics:
    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.hook = PrometheusHook(self.registry)

    def __getitem__(self, name: str) -> float | None:
        value: float | None = self.registry.get_sample_value(f"pyro_{name}")
        return value

    def of(self, name: str, method: str, **labels: str) -> float | None:
        value: float | None = self.registry.get_sample_value(
            f"pyro_{name}", {"object": "lamp", "method": method, **labels}
        )
        return value


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_calls_are_counted_by_outcome_and_timed(
    metrics: Metrics,
    start: Callable[..., Daemon],
    raw: Callable[..., RawClient],
) -> None:
    daemon = start()
    daemon.add_hook(metrics.hook)
    client = raw(daemon.register(Lamp(), "lamp"))
    client.shake_hands()
    for name in ("shine", "shine", "fail", "switch", "made up", "also made up"):
        client.call(name)

    assert metrics.of("calls_total", "shine", outcome="ok") == 2
    assert metrics.of("calls_total", "fail", outcome="error") == 1
    assert metrics.of("calls_total", "switch", outcome="refused") == 1
    assert metrics.of("calls_total", "unknown", outcome="error") == 2
    assert metrics.of("call_errors_total", "fail", error="ValueError") == 1
    assert metrics.of("call_errors_total", "switch", error="SecurityError") == 1
    assert metrics.of("call_seconds_count", "shine") == 2
    assert metrics["calls_in_flight"] == 0


def test_what_is_going_on_is_counted(
    metrics: Metrics,
    start: Callable[..., Daemon],
    raw: Callable[..., RawClient],
) -> None:
    lamp = Lamp()
    daemon = start()
    daemon.add_hook(metrics.hook)
    client = raw(daemon.register(lamp, "lamp"))
    client.shake_hands()
    client.send(client.call_message("count"))
    client.receive()
    assert metrics["streams"] == 1
    assert metrics["connections"] == 1

    client.send(client.call_message("wait"))
    assert lamp.entered.acquire(timeout=DEADLINE)
    assert metrics["calls_in_flight"] == 1
    lamp.go_on.set()
    client.receive()
    assert metrics["calls_in_flight"] == 0
    client.close()
    eventually(lambda: metrics["connections"] == 0)


def test_refusals_of_a_busy_server_are_counted(
    metrics: Metrics, raw: Callable[..., RawClient], start: Callable[..., Daemon]
) -> None:
    settings = Configuration(use_environment=False)
    settings.THREADPOOL_SIZE_MIN = settings.THREADPOOL_SIZE = 1
    settings.THREADPOOL_QUEUE_SIZE = 0
    lamp = Lamp()
    daemon = start(config=settings)
    daemon.add_hook(metrics.hook)
    uri = daemon.register(lamp, "lamp")
    busy, other = raw(uri), raw(uri)
    busy.shake_hands()
    other.shake_hands()
    busy.send(busy.call_message("wait"))
    assert lamp.entered.acquire(timeout=DEADLINE)

    assert "busy" in str(other.call("shine"))

    assert metrics["busy_refusals_total"] == daemon.busy_refusals == 1
    lamp.go_on.set()
    busy.receive()


def test_objects_with_generated_ids_are_counted_by_class(
    metrics: Metrics,
    start: Callable[..., Daemon],
    connect: Callable[..., BlockingChannel],
) -> None:
    daemon = start()
    daemon.add_hook(metrics.hook)
    for _ in range(3):
        uri = daemon.register(Lamp())
        connect(uri).call(uri.object_id, "shine", (), {})

    labels = {"object": "Lamp", "method": "shine", "outcome": "ok"}
    assert metrics.registry.get_sample_value("pyro_calls_total", labels) == 3


def test_only_so_many_labels_are_kept(metrics: Metrics) -> None:
    class Shining:
        exposed = True

        def __init__(self, number: int) -> None:
            self.object_id = f"lamp {number}"
            self.object_class = Lamp
            self.name = "shine"

    for number in range(MOST_LABELS + 10):
        call: Any = Shining(number)
        metrics.hook.before_call(call)
        metrics.hook.after_call(call, None, 0.5)

    other = {"object": "other", "method": "other", "outcome": "ok"}
    assert metrics.registry.get_sample_value("pyro_calls_total", other) == 10
    assert metrics["calls_in_flight"] == 0


def test_only_so_many_kinds_of_errors_are_kept(metrics: Metrics) -> None:
    call = CallDetails(ClientConnection(), Call("lamp", "shine", (), None), None)
    for number in range(MOST_LABELS + 10):
        error = type(f"Error{number}", (Exception,), {})()
        metrics.hook.before_call(call)
        metrics.hook.on_error(call, error, 0.5)

    label = CallLabel("unknown", "unknown")._asdict()
    found = metrics.registry.get_sample_value(
        "pyro_call_errors_total", {**label, "error": "other"}
    )
    assert found == 10


def test_one_hook_can_serve_several_daemons(metrics: Metrics) -> None:
    with Daemon() as one, Daemon() as other:
        one.add_hook(metrics.hook)
        other.add_hook(metrics.hook)
        one.streams.open(ClientConnection(), iter([1]))
        other.streams.open(ClientConnection(), iter([1]))

        assert metrics["streams"] == 2


def test_a_missing_library_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ImportError, match=r"pyro-server\[prometheus\]"):
        PrometheusHook()
