"""The explorer under each web server, with tokens, and while the gateway restarts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.authentication import hash_token
from support.browsing import call, card, expect
from support.gateway import GatewayProcess
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from pathlib import Path

    from support.browsing import Visitor
    from support.showroom import Showroom, Thermostat

THERMOSTAT = "http.house.thermostat"


@pytest.mark.parametrize("server", ["uvicorn", "threads"])
def test_it_is_live_under_each_server(
    visitor: Visitor,
    showroom: Showroom,
    thermostat: tuple[str, Thermostat],
    server: str,
) -> None:
    name, own = thermostat
    with GatewayProcess(
        "--server", server, environment=showroom.environment
    ) as gateway:
        page = visitor.open(f"#/{name}/follow", port=gateway.port)
        own.next_item.release(2)
        expect(call(page, "follow")).to_contain_text("2 items")
        card(page, "follow").get_by_role("button", name="Stop").click()
        own._go_on()
        assert own.ended.acquire(timeout=DEADLINE), "the generator goes on"
        showroom.remove(name)
        expect(page.get_by_text("not registered any more")).to_be_visible()
        page.close()


def test_a_token_is_a_key_too(
    visitor: Visitor, showroom: Showroom, tmp_path: Path
) -> None:
    visitor.statuses |= {401, 403}
    tokens = tmp_path / "tokens"
    token = "my-token-for-the-explorer"
    tokens.write_text(f"{hash_token(token)} alice\n")
    tokens.chmod(0o600)
    with GatewayProcess(
        "--token-file", str(tokens), environment=showroom.environment
    ) as gateway:
        page = visitor.open(f"#/{THERMOSTAT}/heat", port=gateway.port)
        page.get_by_label("Gateway key or token").fill(token)
        page.keyboard.press("Enter")
        expect(call(page, "heat")).to_contain_text("room: hall")
        page.close()


def test_the_page_comes_back_when_the_gateway_does(
    visitor: Visitor, showroom: Showroom
) -> None:
    visitor.statuses.add(0)
    with GatewayProcess(environment=showroom.environment) as gateway:
        page = visitor.open(f"#/{THERMOSTAT}/heat", port=gateway.port)
        expect(page.locator("#standing")).to_have_text("live")
        expect(card(page, "heat")).to_be_visible()
    expect(page.locator("#standing")).to_have_text("no connection")
    card(page, "heat").get_by_role("button", name="Call", exact=True).click()
    expect(card(page, "heat").locator(".problem")).to_contain_text("does not answer")
    with GatewayProcess(
        "-p", str(gateway.port), environment=showroom.environment
    ) as gateway:
        expect(page.locator("#standing")).to_have_text("live")
        expect(call(page, "heat")).to_contain_text("room: hall")
        page.close()


def test_an_object_that_could_not_be_asked_is_shown_when_the_gateway_is_back(
    visitor: Visitor, showroom: Showroom
) -> None:
    visitor.statuses.add(0)
    describing = re.compile(r"describe$")
    with GatewayProcess(environment=showroom.environment) as gateway:
        page = visitor.open(port=gateway.port)
        page.route(describing, lambda route: route.abort())
        page.goto(f"{page.url}#/{THERMOSTAT}/heat")
        expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator("#standing")).to_have_text("no connection")
    page.unroute(describing)
    with GatewayProcess(
        "-p", str(gateway.port), environment=showroom.environment
    ) as gateway:
        expect(card(page, "heat")).to_be_visible()
        page.close()
