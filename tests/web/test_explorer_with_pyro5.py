"""The explorer where the name server and the objects are Pyro5's own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from support.browsing import Visitor, call, card, expect
from support.gateway import GatewayProcess
from support.peers import pyro5_python
from support.programs import Program, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

OBJECTS = """
import Pyro5.api, sys

@Pyro5.api.expose
class Calculator:
    def add(self, first, second=1):
        "Add two numbers."
        return first + second

    def rows(self):
        return [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]

    def count(self):
        yield from range(5)

    def fail(self):
        raise ValueError("no such number")

    @property
    def precision(self):
        return 12

host, port = sys.argv[1:]
with Pyro5.api.Daemon(host="127.0.0.1") as daemon, \\
        Pyro5.api.locate_ns(host, int(port)) as names:
    uri = daemon.register(Calculator)
    names.register("http.calculator", uri, metadata={"kind:old"})
    print("ready", flush=True)
    daemon.requestLoop()
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a gateway."""
    python = pyro5_python()
    with contextlib.ExitStack() as stack:
        server, host, name_port = name_server_of_pyro5(python)
        stack.enter_context(server)
        arguments = ("-c", OBJECTS, host, str(name_port))
        objects = stack.enter_context(Program(*arguments, python=python))
        objects.wait_for("ready")
        environment = {"PYRO_NS_HOST": host, "PYRO_NS_PORT": str(name_port)}
        gateway = GatewayProcess("--tracebacks", "always", environment=environment)
        yield stack.enter_context(gateway).port


@pytest.fixture
def visitor(browser: Browser, port: int) -> Iterator[Visitor]:
    """Somebody who looks at its explorer."""
    visitor = Visitor(browser, port)
    yield visitor
    visitor.close()
    assert visitor.problems == []


def test_objects_are_listed_and_called_with_arguments_as_json(
    visitor: Visitor, keep_picture: Callable[[Page, str], None]
) -> None:
    visitor.statuses.add(500)
    page = visitor.open()
    link = page.locator("#objects a", has_text="http.calculator")
    expect(link).to_contain_text("kind:old")
    link.click()
    expect(page.get_by_text("only the names of its methods")).to_be_visible()
    card(page, "add").locator("summary").first.click()
    card(page, "add").get_by_label("*args", exact=True).fill("[40]")
    card(page, "add").get_by_label("**kwargs", exact=True).fill('{"second": 2}')
    expect(call(page, "add")).to_contain_text("42")
    keep_picture(page, "pyro5")
    card(page, "rows").locator("summary").first.click()
    expect(call(page, "rows").get_by_role("table")).to_be_visible()
    card(page, "count").locator("summary").first.click()
    expect(call(page, "count")).to_contain_text("5 items")
    card(page, "fail").locator("summary").first.click()
    expect(call(page, "fail").locator(".traceback")).to_be_visible()
    page.get_by_role("button", name="Read precision").click()
    expect(page.locator('[data-name="precision"] .result')).to_contain_text("12")
