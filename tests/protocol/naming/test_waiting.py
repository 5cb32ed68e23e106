from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI
from pyro_protocol.errors import NamingError
from pyro_protocol.naming.waiting import choose, pauses, place_of

if TYPE_CHECKING:
    from pyro_protocol.config import Configuration


def test_without_delay_there_is_one_try(settings: Configuration) -> None:
    assert list(pauses(0, settings)) == []


def test_the_pauses_fill_the_delay(settings: Configuration) -> None:
    assert list(pauses(10, settings)) == [2, 2, 2, 2, 2]
    assert list(pauses(0.3, settings)) == pytest.approx([0.2, 0.1])


def test_the_configured_delay_counts_where_none_is_given(
    settings: Configuration,
) -> None:
    settings.NS_LOOKUP_DELAY = 0.2
    assert list(pauses(0, settings)) == [0.2]


def test_one_of_the_found_objects_is_chosen() -> None:
    found = {"a": "PYRO:a@h:1", "b": "PYRO:b@h:1"}
    chosen = {choose(["x"], found) for _ in range(200)}
    assert chosen == {URI("PYRO:a@h:1"), URI("PYRO:b@h:1")}


def test_finding_none_is_an_error_that_names_the_tags() -> None:
    with pytest.raises(NamingError, match="blue, green"):
        choose(["green", "blue"], {})


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("PYRONAME:x", ("", None)),
        ("PYRONAME:x@example.com:5", ("example.com", 5)),
        ("PYRONAME:x@./u:/run/names", ("./u:/run/names", None)),
        ("PYROMETA:x,y@[::1]:5", ("::1", 5)),
    ],
)
def test_a_uri_says_where_its_name_server_is(
    uri: str, place: tuple[str, int | None]
) -> None:
    assert place_of(URI(uri)) == place
