"""The files of the explorer page."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import pytest

from pyro_httpgw.assets import asset_response, explorer_response
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import Request

if TYPE_CHECKING:
    from httpgw.conftest import Visitor

PAGE = Request("GET", "/pyro/")
FOLDER = files("pyro_httpgw") / "explorer"
NAMES = sorted(one.name for one in FOLDER.iterdir() if one.name != "index.html")


def ask(name: str, **headers: str) -> Request:
    """Return a request for a file."""
    fields = {key.replace("_", "-"): value for key, value in headers.items()}
    return Request("GET", f"/static/{name}", headers=fields)


def test_the_page_allows_nothing_but_its_own_files() -> None:
    response = explorer_response(PAGE)
    policy = dict(response.headers)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy
    page = response.body.decode()
    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert "<style" not in page
    assert re.findall(r'\s(on\w+|style)="', page) == []


def test_every_address_in_the_page_leads_to_a_file_of_the_gateway() -> None:
    page = explorer_response(PAGE).body.decode()
    addresses = re.findall(r'(?:src|href)="([^"#]+)"', page)
    names = [urljoin("/pyro/", one) for one in addresses]
    assert "/openapi.json" in names
    for name in set(names) - {"/openapi.json"}:
        assert name.startswith("/static/")
        assert asset_response(PAGE, name.removeprefix("/static/")).status == 200


@pytest.mark.parametrize("name", NAMES)
def test_every_file_has_its_type_and_uses_only_other_files(name: str) -> None:
    response = asset_response(ask(name), name)
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    kind = dict(response.headers)["Content-Type"]
    assert kind.startswith(kinds[name.rpartition(".")[2]])
    text = response.body.decode()
    for other in re.findall(r'from "\./([^"]+)"', text):
        assert other in NAMES
    assert "innerHTML" not in text
    outside = set(re.findall(r"https?://[^\s\"'`]+", text))
    assert outside <= {"http://www.w3.org/2000/svg"}


def test_a_file_that_is_known_is_not_sent_again() -> None:
    first = asset_response(ask("main.js"), "main.js")
    headers = dict(first.headers)
    assert headers["Cache-Control"] == "no-cache"
    tag = headers["ETag"]
    again = asset_response(ask("main.js", if_none_match=f'"x", W/{tag}'), "main.js")
    assert (again.status, again.body) == (304, b"")
    assert dict(again.headers)["ETag"] == tag
    other = asset_response(ask("main.js", if_none_match='"x"'), "main.js")
    assert other.body == first.body


@pytest.mark.parametrize(
    "name", ["", "index.html", "../assets.py", "..%2fassets.py", "/etc/passwd", "a.js"]
)
def test_nothing_else_is_a_file(name: str) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        asset_response(ask(name), name)
    assert caught.value.status == 404


def test_anybody_gets_the_page_but_not_what_is_in_it(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, gateway_key=b"secret")
    page = visitor.ask("/pyro/")
    assert page.status == 200
    assert b"thermostat" not in page.body
    assert dict(page.headers)["Cache-Control"] == "no-cache"
    assert visitor.ask("/static/main.js").status == 200
    assert visitor.ask("/pyro/$objects").status == 401
    assert visitor.ask("/static/../pyro/$objects").status == 404


def test_there_is_no_page_where_it_is_switched_off(visitor: Visitor) -> None:
    visitor.settings = replace(visitor.settings, explorer=False)
    assert visitor.ask("/pyro/").status == 404
    assert visitor.ask("/static/main.js").status == 404
    assert visitor.ask("/pyro/$objects").status == 200
