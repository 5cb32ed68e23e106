"""What a real browser lets the pages of others do with a gateway."""

from __future__ import annotations

import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from pyro_protocol import expose
from support.browsing import program
from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from support.showroom import Showroom

NAME = "http.own.counter"

# Each way to send a request from a page; they end when the answer has come.
WAYS = {
    "fetch": "fetch(url, {mode: 'no-cors'}).catch(() => null)",
    "post": """fetch(url, {mode: 'no-cors', method: 'POST', body: ''})
        .catch(() => null)""",
    "cors": "fetch(url).catch(() => null)",
    "json": """fetch(url, {
        method: 'POST', body: '{}', headers: {'Content-Type': 'application/json'}
    }).catch(() => null)""",
    "picture": """new Promise(done => {
        const picture = new Image();
        picture.onload = picture.onerror = done;
        picture.src = url;
    })""",
    "script": """new Promise(done => {
        const script = document.createElement('script');
        script.onload = script.onerror = done;
        script.src = url;
        document.body.append(script);
    })""",
    "form": """new Promise(done => {
        const frame = document.createElement('iframe');
        frame.name = 'target';
        document.body.append(frame);
        frame.onload = done;
        const form = document.createElement('form');
        Object.assign(form, {action: url, method: 'post', target: 'target'});
        document.body.append(form);
        form.submit();
    })""",
}


@expose
class Counter:
    def __init__(self) -> None:
        self.calls = 0

    def count(self) -> int:
        self.calls += 1
        return self.calls


class BlankPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>a page</title><body></body>")

    def log_message(
        self,
        format: str,  # noqa: A002 - its name
        *args: object,
    ) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a web site of somebody else."""
    with HTTPServer(("127.0.0.1", 0), BlankPage) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


@pytest.fixture(scope="module")
def open_gateway(showroom: Showroom) -> Iterator[GatewayProcess]:
    """A gateway that lets all pages call."""
    with GatewayProcess("--cors", "*", environment=showroom.environment) as gateway:
        yield gateway


@pytest.fixture
def counter(showroom: Showroom) -> Iterator[Counter]:
    counter = Counter()
    showroom.register(NAME, counter, "own")
    yield counter
    showroom.remove(NAME)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def address(gateway: GatewayProcess) -> str:
    return f"http://localhost:{gateway.port}/pyro/{NAME}/count"


# The gateway is at localhost: of another site, and of another origin of the same.
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("way", WAYS)
def test_a_page_of_others_causes_no_call(
    page: Page,
    port: int,
    gateway: GatewayProcess,
    counter: Counter,
    host: str,
    way: str,
) -> None:
    page.goto(f"http://{host}:{port}/")
    page.evaluate(f"async url => {{ await ({WAYS[way]}); }}", address(gateway))
    assert counter.calls == 0
    assert gateway.ask(f"/pyro/{NAME}/count").json() == 1


@pytest.mark.parametrize("way", WAYS)
def test_where_all_pages_may_call_each_way_leads_there(
    page: Page, port: int, open_gateway: GatewayProcess, counter: Counter, way: str
) -> None:
    page.goto(f"http://127.0.0.1:{port}/")
    page.evaluate(f"async url => {{ await ({WAYS[way]}); }}", address(open_gateway))
    assert counter.calls == 1


def test_a_page_that_is_named_calls_and_reads(
    page: Page, port: int, showroom: Showroom, counter: Counter
) -> None:
    origin = f"http://127.0.0.1:{port}"
    environment = showroom.environment | {"PYRO_HTTPGATEWAY_KEY": "open sesame"}
    with GatewayProcess("--cors", origin, environment=environment) as gateway:
        page.goto(f"{origin}/")
        status, result, correlation = page.evaluate(
            """async url => {
                const answer = await fetch(url, {
                    method: 'POST',
                    body: '{}',
                    headers: {
                        'Content-Type': 'application/json',
                        'Authorization': 'Bearer open sesame',
                        'X-Pyro-Timeout': '5',
                    },
                });
                const correlation = answer.headers.get('X-Pyro-Correlation-Id');
                return [answer.status, await answer.json(), correlation];
            }""",
            address(gateway),
        )
        assert (status, result, counter.calls) == (200, 1, 1)
        assert len(correlation) == 36


def test_a_page_cannot_pass_this_machine_off_as_its_own(
    browser: Browser, gateway: GatewayProcess
) -> None:
    options = ["--host-resolver-rules=MAP evil.example 127.0.0.1"]
    options += ["--no-sandbox"] if os.geteuid() == 0 else []
    chromium = program("chromium")
    rebound = browser.browser_type.launch(executable_path=chromium, args=options)
    answer = rebound.new_page().goto(f"http://evil.example:{gateway.port}/pyro/")
    assert answer is not None
    assert answer.status == 403
    assert "evil.example" in answer.json()["detail"]
    rebound.close()
