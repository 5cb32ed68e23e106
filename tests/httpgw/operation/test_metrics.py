"""The gateway in numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pyro_httpgw.operation.metrics import process_metrics
from support.hosting import DEADLINE
from support.web import NAME

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from httpgw.conftest import Visitor

pytest.importorskip("prometheus_client")


@pytest.fixture(autouse=True)
def numbers_from_zero() -> Iterator[None]:
    process_metrics.cache_clear()
    yield
    process_metrics.cache_clear()


@pytest.fixture
def watched(visitor: Visitor) -> Visitor:
    visitor.settings = replace(visitor.settings, metrics=True)
    return visitor


def page(visitor: Visitor, accept: str = "") -> str:
    response = visitor.ask("/metrics", accept=accept)
    assert response.status == 200
    return response.body.decode()


def samples(page: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if line.startswith("pyro_httpgw_")
    }


def test_there_is_no_page_unless_it_is_turned_on(visitor: Visitor) -> None:
    response = visitor.ask("/metrics")
    assert response.status == 404


def test_requests_are_counted_by_kind_method_and_status(watched: Visitor) -> None:
    for _ in range(2):
        watched.call("heat")
    watched.ask(f"/pyro/{NAME}/fail")
    watched.ask(f"/pyro/{NAME}/$meta")
    watched.ask("/nowhere", method="PROPFIND")
    found = samples(page(watched))
    total = "pyro_httpgw_requests_total"
    assert found[f'{total}{{kind="call",method="GET",status="200"}}'] == 2
    assert found[f'{total}{{kind="call",method="GET",status="500"}}'] == 1
    assert found[f'{total}{{kind="meta",method="GET",status="200"}}'] == 1
    assert found[f'{total}{{kind="none",method="other",status="404"}}'] == 1
    assert found['pyro_httpgw_request_seconds_count{kind="call"}'] == 3
    # The request for the page itself.
    assert found["pyro_httpgw_requests_in_flight"] == 1
    assert found["pyro_httpgw_daemon_connections"] >= 1


def test_clients_cannot_make_up_labels(watched: Visitor) -> None:
    before = len(samples(page(watched)))
    watched.ask("/nowhere")
    after = len(samples(page(watched)))
    for number in range(50):
        watched.ask(f"/nowhere/{number}", f"a={number}", method=f"X{number}")
        watched.ask(f"/pyro/http.{number}/x{number}", method=f"X{number}")
    grown = len(samples(page(watched)))
    assert before < after < grown <= after + 25


def test_streams_are_counted_while_they_last(watched: Visitor) -> None:
    import asyncio

    response = watched.ask(f"/pyro/{NAME}/stream")
    assert response.parts is not None
    assert samples(page(watched))["pyro_httpgw_streams"] == 1
    asyncio.run_coroutine_threadsafe(
        _close(response.parts), watched._gateway._loop
    ).result(DEADLINE)
    assert samples(page(watched))["pyro_httpgw_streams"] == 0


async def _close(parts: object) -> None:
    await parts.aclose()  # type: ignore[attr-defined] # it is a body


def test_the_page_speaks_both_formats(watched: Visitor) -> None:
    assert "# EOF" not in page(watched)
    text = page(watched, accept="application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    response = watched.ask("/metrics", accept="application/openmetrics-text")
    content_type = dict(response.headers)["Content-Type"]
    assert content_type.startswith("application/openmetrics-text")


def test_the_key_is_demanded_where_there_is_one(watched: Visitor) -> None:
    watched.settings = replace(watched.settings, gateway_key=b"secret")
    assert watched.ask("/metrics").status == 401
    assert watched.ask("/metrics", authorization="Bearer secret").status == 200


_WORKER = """
import sys
from pyro_httpgw.operation.metrics import process_metrics
process_metrics().count("call", "GET", 200, 0.5)
process_metrics().in_flight.inc()
"""
_READER = """
from prometheus_client import generate_latest
from pyro_httpgw.operation.metrics import process_metrics
print(generate_latest(process_metrics().readable()).decode())
"""


def test_the_numbers_of_several_processes_are_added_up(tmp_path: Path) -> None:
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(program: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        ).stdout

    run(_WORKER)
    run(_WORKER)
    found = samples(run(_READER))
    name = 'pyro_httpgw_requests_total{kind="call",method="GET",status="200"}'
    assert found[name] == 2.0
    assert found['pyro_httpgw_request_seconds_sum{kind="call"}'] == 1.0
