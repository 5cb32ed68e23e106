"""What a request asks for beside the call itself."""

from __future__ import annotations

import pytest

from pyro_httpgw.arguments.request_options import forced_oneway, goes_on
from pyro_httpgw.messages import Request


def asking(options: str | None) -> Request:
    headers = {} if options is None else {"x-pyro-options": options}
    return Request("GET", "/pyro/a/b", "", headers)


@pytest.mark.parametrize(
    ("options", "oneway", "on"),
    [
        (None, False, False),
        ("", False, False),
        ("oneway", True, False),
        ("foo, OneWay ,bar", True, False),
        ("continue", False, True),
        ("oneway,continue", True, True),
        ("onewayx", False, False),
    ],
)
def test_options_are_separated_by_commas(
    options: str | None, oneway: bool, on: bool
) -> None:
    assert forced_oneway(asking(options)) is oneway
    assert goes_on(asking(options)) is on
