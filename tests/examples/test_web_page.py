"""A page of one's own beside the gateway."""

from __future__ import annotations

import re
import urllib.request

from support.walkthrough import EXAMPLES, walk


def test_the_object_is_used_as_the_page_does_it() -> None:
    with walk("web_page", staying=("server.py", "site.py")) as steps:
        steps.follow()
        address = steps.here("http://localhost:41080/")
        with urllib.request.urlopen(address, timeout=30) as answer:
            page = answer.read()
        assert page == (EXAMPLES / "web_page" / "page.html").read_bytes()


def test_the_page_asks_for_nothing_that_the_object_does_not_have() -> None:
    page = (EXAMPLES / "web_page" / "page.html").read_text("utf-8")
    server = (EXAMPLES / "web_page" / "server.py").read_text("utf-8")
    asked = re.findall(r'ask\("(\w+)"|\$\{heating\}/(\w+)`', page)
    names = {name or other for name, other in asked}
    assert names == {"boost", "rooms", "target", "temperatures"}
    for name in names:
        assert f"def {name}(" in server
