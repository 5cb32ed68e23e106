"""The explorer for everybody: light and dark, small screens, keyboards, readers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import pytest

from support.browsing import call, card, expect
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from support.browsing import Visitor
    from support.showroom import Thermostat

THERMOSTAT = "http.house.thermostat"
SCHEMES = ["light", "dark"]
WIDTHS = {"desktop": 1280, "phone": 390}


def findings(page: Page, axe: str) -> list[Any]:
    """Return what keeps people out of a page."""
    # As the page's own program it would not be allowed to come from here.
    page.evaluate(axe)
    found = page.evaluate("axe.run(document)")
    return [
        (one["id"], one["impact"], [node["html"] for node in one["nodes"]])
        for one in found["violations"]
    ]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("device", WIDTHS)
def test_nothing_keeps_people_out(
    visitor: Visitor,
    axe: str,
    keep_picture: Callable[[Page, str], None],
    scheme: Literal["light", "dark"],
    device: str,
) -> None:
    visitor.statuses.add(500)
    page = visitor.open(scheme=scheme, width=WIDTHS[device])
    expect(page.locator("#objects a").first).to_be_visible()
    assert findings(page, axe) == []
    page.locator("#objects a", has_text=THERMOSTAT).click()
    for method in ("heat", "history", "readings", "fail", "average"):
        card(page, method).locator("summary").first.click()
        if method == "average":
            card(page, method).get_by_role("button", name="Call", exact=True).click()
            expect(card(page, method).locator(".field-problem")).not_to_be_empty()
        else:
            call(page, method)
        card(page, method).locator(".snippets summary").click()
    expect(card(page, "readings")).to_contain_text("The stream ended")
    page.get_by_text("Remote traceback").click()
    page.get_by_role("button", name="Read all").click()
    expect(page.locator('[data-name="target"] .result')).to_contain_text("20.5")
    assert findings(page, axe) == []
    keep_picture(page, f"{device}-{scheme}")


def test_it_is_dark_where_the_system_is_and_can_be_switched(
    visitor: Visitor, keep_picture: Callable[[Page, str], None]
) -> None:
    page = visitor.open(scheme="dark")
    switch = page.get_by_role("switch", name="Dark theme")
    expect(switch).to_have_attribute("aria-checked", "true")
    dark = background(page)
    keep_picture(page, "dark")
    switch.click()
    expect(switch).to_have_attribute("aria-checked", "false")
    light = background(page)
    assert max(dark) < 60
    assert min(light) > 200
    page.reload()
    expect(switch).to_have_attribute("aria-checked", "false")
    assert background(page) == light


def background(page: Page) -> list[int]:
    """Return the colour of a page."""
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return [int(part) for part in colour.strip("rgb()").split(",")]


def test_everything_works_without_a_mouse(visitor: Visitor) -> None:
    page = visitor.open()
    expect(page.locator("#objects a").first).to_be_visible()
    keys = page.keyboard
    keys.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keys.type("house therm")
    expect(page.locator("#objects a")).to_have_count(1)
    press_until(page, "Tab", "#objects a")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    press_until(page, "Tab", '.card[data-name="heat"] > summary')
    keys.press("Enter")
    heat = card(page, "heat")
    press_until(page, "Tab", '.card[data-name="heat"] select')
    keys.press("ArrowDown")
    press_until(page, "Tab", '.card[data-name="heat"] input[type="number"]')
    keys.press("Control+a")
    keys.type("19")
    press_until(page, "Tab", '.card[data-name="heat"] input[type="checkbox"]')
    keys.press("Space")
    press_until(page, "Tab", '.card[data-name="heat"] .main-button')
    keys.press("Enter")
    expect(heat.locator(".result")).to_contain_text("room: kitchen")
    expect(heat.locator(".result")).to_contain_text("degrees: 19")
    expect(heat.locator(".result")).to_contain_text("quietly: True")
    expect(heat.get_by_role("status")).to_contain_text("Result")


def press_until(page: Page, key: str, selector: str) -> None:
    """Press a key until something has the focus, which can be seen."""
    for _ in range(80):
        page.keyboard.press(key)
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            outline = page.evaluate(
                "getComputedStyle(document.activeElement).outlineStyle"
            )
            assert outline != "none"
            return
    raise AssertionError(f"{selector} cannot be reached with {key}")


def test_the_list_can_be_skipped(visitor: Visitor) -> None:
    page = visitor.open(f"#/{THERMOSTAT}")
    expect(card(page, "heat")).to_be_visible()
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text(THERMOSTAT)


def test_a_text_is_sent_with_the_enter_key(
    visitor: Visitor, thermostat: tuple[str, Thermostat]
) -> None:
    visitor.statuses.add(500)
    name, _own = thermostat
    page = visitor.open(f"#/{name}/fail")
    text = card(page, "fail").get_by_label("text", exact=True)
    text.fill("first")
    text.press("End")
    text.press("Shift+Enter")
    page.keyboard.type("second")
    text.press("Enter")
    expect(card(page, "fail").locator(".problem-text")).to_contain_text("second")
    assert text.input_value() == "first\nsecond"


def test_a_phone_shows_the_list_or_an_object(
    visitor: Visitor, keep_picture: Callable[[Page, str], None]
) -> None:
    page = visitor.open(width=360, height=740, has_touch=True)
    link = page.locator("#objects a", has_text=THERMOSTAT)
    keep_picture(page, "phone-list")
    link.tap()
    expect(link).to_be_hidden()
    heat = card(page, "heat")
    heat.locator("summary").first.tap()
    expect(heat.get_by_label("degrees", exact=True)).to_be_visible()
    call(page, "heat")
    card(page, "history").locator("summary").first.tap()
    call(page, "history")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    keep_picture(page, "phone-object")
    page.get_by_role("link", name="All objects").tap()
    expect(link).to_be_visible()


def test_addresses_lead_to_methods_and_back(visitor: Visitor) -> None:
    page = visitor.open(f"#/{THERMOSTAT}")
    card(page, "history").locator("summary").first.click()
    expect(page).to_have_url(re.compile(f"#/{THERMOSTAT}/history$"))
    page.locator("#objects a", has_text="camera").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("camera")
    page.go_back(timeout=DEADLINE * 1000)
    expect(page.get_by_role("heading", level=1)).to_have_text(THERMOSTAT)
    expect(card(page, "history").locator("form")).to_be_visible()
