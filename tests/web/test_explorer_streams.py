"""Streams in the explorer: drawn while they come, and ended when nobody looks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from support.browsing import call, card, expect
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from support.browsing import Visitor
    from support.showroom import Thermostat


def test_numbers_are_drawn(
    visitor: Visitor,
    thermostat: tuple[str, Thermostat],
    keep_picture: Callable[[Page, str], None],
) -> None:
    name, _own = thermostat
    page = visitor.open(f"#/{name}/readings")
    result = call(page, "readings")
    expect(result).to_contain_text("60 items")
    expect(card(page, "readings")).to_contain_text("The stream ended after 60 items")
    drawing = result.get_by_role("img")
    expect(drawing).to_have_attribute(
        "aria-label", re.compile("Plot of 60 items: value from 17.* to 22.*, last 19")
    )
    expect(result.locator(".stream-items li")).to_have_count(50)
    keep_picture(page, "stream")


def test_items_are_shown_as_they_come_and_the_stream_can_be_stopped(
    visitor: Visitor, thermostat: tuple[str, Thermostat]
) -> None:
    name, own = thermostat
    page = visitor.open(f"#/{name}/follow")
    own.next_item.release()
    result = call(page, "follow")
    expect(result).to_contain_text("1 item")
    expect(result.locator(".plot-line")).to_have_count(2)
    own.next_item.release(2)
    expect(result).to_contain_text("3 items")
    expect(result.locator(".plot-legend")).to_contain_text("study")
    card(page, "follow").get_by_role("button", name="Stop").click()
    expect(card(page, "follow")).to_contain_text("Stopped after 3 items")
    own._go_on()
    assert own.ended.acquire(timeout=DEADLINE), "the generator goes on"
    expect(result).to_contain_text("3 items")


def test_a_stream_ends_when_its_page_is_left(
    visitor: Visitor, thermostat: tuple[str, Thermostat]
) -> None:
    name, own = thermostat
    page = visitor.open(f"#/{name}/follow")
    own.next_item.release()
    expect(call(page, "follow")).to_contain_text("1 item")
    page.locator("#objects a", has_text="camera").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("camera")
    own._go_on()
    assert own.ended.acquire(timeout=DEADLINE), "the generator goes on"


def test_what_a_stream_gave_before_it_failed_stays(
    visitor: Visitor, thermostat: tuple[str, Thermostat]
) -> None:
    name, _own = thermostat
    page = visitor.open(f"#/{name}/break_off")
    result = call(page, "break_off")
    expect(result.locator(".problem")).to_contain_text("the sensor is gone")
    expect(result).to_contain_text("2 items")


def test_a_call_that_hangs_can_be_given_up(
    visitor: Visitor, thermostat: tuple[str, Thermostat]
) -> None:
    name, _own = thermostat
    page = visitor.open(f"#/{name}/hold")
    form = card(page, "hold")
    form.get_by_role("button", name="Call", exact=True).click()
    expect(form).to_contain_text("Calling")
    form.get_by_role("button", name="Stop").click()
    expect(form).to_contain_text("Stopped")
