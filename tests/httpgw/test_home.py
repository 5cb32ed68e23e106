"""The home page."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from pyro_httpgw.home import HomePage, ListedObject, home_response
from pyro_httpgw.objects import Members

EVIL = "<script>alert('\"')</script>"


class Reader(HTMLParser):
    """Collects the tags, links and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: dict[str, str] = {}
        self.text = ""
        self._href = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag == "a":
            self._href = dict(attrs)["href"] or ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._href:
            self.links[data] = self._href
            self._href = ""


def page(
    *objects: ListedObject, exposed: str = "http", key: str | None = None
) -> Reader:
    home = HomePage(objects, exposed, "localhost:9090", key)
    return Reader(home_response(home).body.decode())


def members(*methods: str, attributes: tuple[str, ...] = ()) -> Members:
    return Members(frozenset(methods), frozenset(), frozenset(attributes))


def test_methods_and_attributes_are_links() -> None:
    found = members("heat", "cool", attributes=("target",))
    reader = page(ListedObject("http.thermostat", found))
    assert reader.links == {
        "http.thermostat": "./http.thermostat/%24meta",
        "cool": "./http.thermostat/cool",
        "heat": "./http.thermostat/heat",
        "target": "./http.thermostat/target",
    }
    assert "localhost:9090" in reader.text


def test_links_lead_there_whatever_the_name_is() -> None:
    reader = page(ListedObject("a:b/c d?é#", members("heat")))
    assert reader.links["heat"] == "./a%3Ab/c%20d%3F%C3%A9%23/heat"


def test_links_carry_the_key_that_the_page_was_asked_for_with() -> None:
    reader = page(ListedObject("x", members("heat")), key="a&b")
    assert reader.links["heat"] == "./x/heat?%24key=a%26b"


def test_whatever_comes_from_outside_is_escaped() -> None:
    reader = page(
        ListedObject(EVIL, members(EVIL, attributes=(EVIL,))),
        ListedObject("x", problem=EVIL),
        exposed=EVIL,
    )
    assert "script" not in reader.tags
    assert reader.text.count("alert('\"')") == 5


def test_what_went_wrong_with_an_object_is_in_its_row() -> None:
    assert "cannot connect" in page(ListedObject("x", problem="cannot connect")).text


def test_a_page_without_objects_says_so() -> None:
    assert "No such object is registered" in page().text


def test_a_page_says_which_objects_are_exposed() -> None:
    assert "http\\." in page(exposed="http\\.").text
    assert "All objects of the name server can be called" in page(exposed="").text


def test_the_page_needs_nothing_else_and_allows_nothing_else() -> None:
    response = home_response(HomePage([], "", "x"))
    policy = dict(response.headers)["Content-Security-Policy"]
    body = response.body.decode()
    assert {"script", "img", "link", "iframe"}.isdisjoint(Reader(body).tags)
    style = re.search(r"<style>(.*)</style>", body, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
