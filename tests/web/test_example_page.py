"""The page of the example web_page, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.browsing import expect
from support.hosting import DEADLINE
from support.walkthrough import EXAMPLES, steps_of, walk

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = EXAMPLES / "web_page"


def test_the_page_shows_temperatures_sets_the_target_and_boosts_a_room(
    browser: Browser,
) -> None:
    name_server, server, site = steps_of(FOLDER / "README.md")[:3]
    problems: list[str] = []
    with walk("web_page", staying=("server.py", "site.py")) as steps:
        for step in (name_server, server, site):
            steps.take(step)
        page = browser.new_page()
        try:
            page.set_default_timeout(DEADLINE * 1000)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda message: problems.append(message.text))
            page.goto(steps.here("http://localhost:41080/"))
            hall = page.locator("#hall")
            expect(hall).to_contain_text("°C")
            expect(page.get_by_label("Target")).to_have_value("20")
            page.get_by_label("Target").fill("25")
            page.get_by_label("Target").dispatch_event("change")
            hall.get_by_role("button").click()
            expect(hall).to_contain_text("hall: 25 °C")
            expect(page.locator("#kitchen")).to_contain_text("kitchen: 2")
        finally:
            page.close()
    assert problems == []
