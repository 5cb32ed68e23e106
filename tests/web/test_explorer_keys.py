"""The explorer of a gateway that demands a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.browsing import call, card, expect
from support.gateway import GatewayProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from support.browsing import Visitor
    from support.showroom import Showroom

THERMOSTAT = "http.house.thermostat"
KEY = "open sesame"


@pytest.fixture(scope="module")
def locked(showroom: Showroom) -> Iterator[GatewayProcess]:
    """A gateway with a key."""
    environment = showroom.environment | {"PYRO_HTTPGATEWAY_KEY": KEY}
    with GatewayProcess(environment=environment) as gateway:
        yield gateway


def test_a_key_is_asked_for_and_kept_in_the_tab(
    visitor: Visitor,
    locked: GatewayProcess,
    axe: str,
    keep_picture: Callable[[Page, str], None],
) -> None:
    visitor.statuses |= {401, 403}
    page = visitor.open(f"#/{THERMOSTAT}/heat", port=locked.port)
    prompt = page.get_by_role("dialog", name="This gateway asks for a key")
    expect(prompt).to_be_visible()
    expect(page.locator("#objects a")).to_have_count(0)
    page.evaluate(axe)
    assert page.evaluate("axe.run(document)")["violations"] == []
    keep_picture(page, "key")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(prompt.get_by_role("alert")).not_to_be_empty()
    prompt.get_by_label("Gateway key or token").fill(KEY)
    page.keyboard.press("Enter")
    expect(prompt).to_be_hidden()
    expect(page.locator("#objects a", has_text=THERMOSTAT)).to_be_visible()
    expect(call(page, "heat")).to_contain_text("room: hall")
    page.reload()
    expect(call(page, "heat")).to_contain_text("room: hall")
    expect(prompt).to_be_hidden()
    assert KEY not in page.url
    assert page.evaluate("localStorage.length") == 0


def test_the_key_is_in_no_program(visitor: Visitor, locked: GatewayProcess) -> None:
    visitor.statuses |= {401}
    page = visitor.open(f"#/{THERMOSTAT}/heat", port=locked.port)
    page.get_by_label("Gateway key or token").fill(KEY)
    page.keyboard.press("Enter")
    snippets = card(page, "heat").locator(".snippets")
    snippets.locator("summary").click()
    for kind in ("curl", "Python", "JavaScript"):
        snippets.get_by_role("button", name=kind, exact=True).click()
        expect(snippets.locator("pre")).to_contain_text("X-Pyro-Gateway-Key")
        expect(snippets.locator("pre")).not_to_contain_text(KEY)
    with page.expect_download() as download:
        page.get_by_role("link", name="OpenAPI").click()
    assert download.value.suggested_filename == "openapi.json"
