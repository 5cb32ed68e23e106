"""What web clients get of daemons of Pyro5: streams, and exceptions they alone know."""

from __future__ import annotations

import http.client
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pyro_protocol import URI
from support.peers import pyro5_python
from support.programs import Program
from support.sources import SOURCES, Reader
from support.web import Site
from support.web_servers import WEB_SERVERS, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = Path(__file__).parent / "programs" / "gateway_sources.py"
MANY = 1_000_000_000


class Place(NamedTuple):
    """A gateway in a web server, and the program behind it."""

    location: str
    program: Program

    def read(self, method: str, accept: str = "*/*") -> Reader:
        """Return what reads an answer."""
        return Reader(self.location, f"/pyro/{SOURCES}/{method}", accept)


@pytest.fixture(scope="module", params=WEB_SERVERS[:2])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with ExitStack() as stack:
        site = stack.enter_context(Site())
        program = Program(TARGET, "Pyro5.api", python=pyro5_python())
        stack.enter_context(program)
        uri = program.wait_for(r"^PYRO:\S+$")[0]
        site.names._uris[SOURCES] = URI(uri)
        location = stack.enter_context(serving(request.param, site.config))
        yield Place(location, program)


def test_a_stream_comes_item_by_item(place: Place) -> None:
    with place.read("count") as reader:
        assert reader.response.read() == b"0\n1\n2\n"
    place.program.wait_for("^closed$")
    with place.read("count?most=1", "text/event-stream") as reader:
        assert reader.response.read() == (
            b"id: 1\ndata: 0\n\nevent: end\nid: end\ndata: null\n\n"
        )
    place.program.wait_for("^closed$")


def test_the_generator_is_closed_when_the_client_leaves(place: Place) -> None:
    reader = place.read(f"count?most={MANY}")
    assert reader.line() == b"0\n"
    reader.leave()
    place.program.wait_for("^closed$")


def test_a_stream_that_fails_at_once_is_a_failed_call(place: Place) -> None:
    with place.read("fail_at_once") as reader:
        assert reader.response.status == 500
        problem = json.loads(reader.response.read())
    assert problem["__class__"].endswith(".ShopError")
    assert problem["args"] == ["nothing there"]


def test_a_failure_is_told_at_its_place(place: Place) -> None:
    with place.read("fail_later") as reader:
        assert reader.line() == b"null\n"
        failure = json.loads(reader.line())
        assert failure["__class__"].endswith(".ShopError")
        assert failure["args"] == ["sold out", 2]
        assert failure["attributes"] == {}
        with pytest.raises(http.client.IncompleteRead):
            reader.response.read()


def test_an_exception_keeps_its_class_and_what_it_holds(place: Place) -> None:
    with place.read("fail") as reader:
        assert reader.response.status == 500
        text = reader.response.read().decode()
    problem = json.loads(text)
    assert problem["__class__"].endswith(".ShopError")
    assert problem["args"][0] == "empty"
    assert problem["args"][1]["size"] == 3
    assert problem["attributes"] == {"left": 0}
    assert "gateway_sources.py" not in text


def test_numbers_that_json_lacks_are_null(place: Place) -> None:
    with place.read("numbers") as reader:
        assert json.loads(reader.response.read()) == [None, None, 1.5]
