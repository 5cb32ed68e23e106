"""A browser that looks at the explorer of a gateway."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn

import pytest

from .hosting import DEADLINE

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Locator,
        Page,
    )
    from playwright.sync_api import Request as PageRequest

__all__ = ["Visitor", "call", "card", "expect", "missing", "program"]

# What a browser says of each answer that is an error, whoever deals with it.
_STATUS: Final = re.compile(r"Failed to load resource: .* status of (\d+)")
_NO_ANSWER: Final = "net::ERR_"


def missing(what: str) -> NoReturn:
    """Skip a test, or let it fail if everything has to be there."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def program(name: str) -> str:
    """Return the path of a program."""
    return shutil.which(name) or missing(f"{name} is missing; install Debian's package")


class Visitor:
    """Opens pages of a gateway, and takes note of what goes wrong in them.

    Args:
        browser: what to open them with.
        port: where the gateway listens.

    Attributes:
        problems: what the browser complained of.
        statuses: the errors that are expected as answers; 0 for none at all.
    """

    def __init__(self, browser: Browser, port: int) -> None:
        self._browser = browser
        self._port = port
        self.problems: list[str] = []
        self.statuses: set[int] = set()
        self._contexts: list[BrowserContext] = []

    def url(self, port: int | None = None) -> str:
        """Return the address of the explorer."""
        return f"http://localhost:{port or self._port}/pyro/"

    def open(
        self,
        place: str = "",
        *,
        port: int | None = None,
        scheme: Literal["light", "dark"] = "light",
        width: int = 1280,
        height: int = 860,
        **options: Any,
    ) -> Page:
        """Open a page in a browser that has never been there."""
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
            **options,
        )
        self._contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE * 1000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", self._see)
        page.goto(self.url(port) + place)
        return page

    def close(self) -> None:
        """Close the pages."""
        for context in self._contexts:
            context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if 0 in self.statuses and _NO_ANSWER in message.text:
            return
        status = _STATUS.match(message.text)
        if status is None or int(status[1]) not in self.statuses:
            self.problems.append(message.text)

    def _see(self, request: PageRequest) -> None:
        if not request.url.startswith(("http://localhost:", "data:", "blob:")):
            self.problems.append(f"asks for {request.url}")


def expect(what: Any) -> Any:
    """Return what waits until something is true of a part of a page."""
    from playwright.sync_api import expect

    return expect(what)


def card(page: Page, method: str) -> Locator:
    """Return the card of a method."""
    return page.locator(f'.card[data-name="{method}"]')


def call(page: Page, method: str) -> Locator:
    """Call a method whose card is open; return where its result is."""
    one = card(page, method)
    one.get_by_role("button", name="Call", exact=True).click()
    result = one.locator(".result")
    expect(result).to_be_visible()
    return result
