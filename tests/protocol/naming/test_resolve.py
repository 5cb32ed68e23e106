from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pyro_protocol import URI
from pyro_protocol.errors import NamingError, PyroError
from pyro_protocol.naming import (
    resolve,
    resolve_all,
    resolve_all_async,
    resolve_async,
)
from support.hosting import HostThread
from support.names import Names

if TYPE_CHECKING:
    from pathlib import Path

    from pyro_protocol.config import Configuration

PRINTER = "PYRO:printer@example.com:4444"
PLOTTER = "PYRO:plotter@example.com:4444"


class Resolve(Protocol):
    """What both ways of resolving look like here."""

    def __call__(
        self, uri: str | URI, delay_time: float = 0.0, *, config: Configuration
    ) -> URI: ...


def resolve_in_a_loop(
    uri: str | URI, delay_time: float = 0.0, *, config: Configuration
) -> URI:
    return asyncio.run(resolve_async(uri, delay_time, config=config))


@pytest.fixture(params=[resolve, resolve_in_a_loop], ids=["blocking", "asyncio"])
def look_up(request: pytest.FixtureRequest) -> Resolve:
    result: Resolve = request.param
    return result


class ResolveAll(Protocol):
    """What both ways of resolving to all look like here."""

    def __call__(self, uri: str | URI, *, config: Configuration) -> list[URI]: ...


def resolve_all_in_a_loop(uri: str | URI, *, config: Configuration) -> list[URI]:
    return asyncio.run(resolve_all_async(uri, config=config))


@pytest.fixture(
    params=[resolve_all, resolve_all_in_a_loop], ids=["blocking", "asyncio"]
)
def look_up_all(request: pytest.FixtureRequest) -> ResolveAll:
    result: ResolveAll = request.param
    return result


@pytest.fixture
def here(port: int, settings: Configuration) -> Configuration:
    """Settings that lead to the name server of the test."""
    settings.NS_HOST = "127.0.0.1"
    settings.NS_PORT = port
    return settings


@pytest.fixture
def names() -> Names:
    names = Names()
    names.registered = {
        "printer": (PRINTER, {"colour", "laser"}),
        "plotter": (PLOTTER, {"colour"}),
    }
    return names


def test_a_place_stands_for_itself(look_up: Resolve, settings: Configuration) -> None:
    assert look_up(PRINTER, config=settings) == URI(PRINTER)
    assert look_up(URI(PRINTER), config=settings) == URI(PRINTER)


def test_a_name_is_looked_up(look_up: Resolve, here: Configuration) -> None:
    assert look_up("PYRONAME:printer", config=here) == URI(PRINTER)


def test_a_name_says_which_name_server_knows_it(
    look_up: Resolve, port: int, host: HostThread, settings: Configuration
) -> None:
    uri = f"PYRONAME:printer@127.0.0.1:{port}"
    assert look_up(uri, config=settings) == URI(PRINTER)


def test_the_name_server_may_be_on_a_unix_socket(
    look_up: Resolve, names: Names, tmp_path: Path, settings: Configuration
) -> None:
    path = str(tmp_path / "names.sock")
    with HostThread(unixsocket=path) as host:
        host.register(names, "Pyro.NameServer")
        uri = f"PYRONAME:printer@./u:{path}"
        assert look_up(uri, config=settings) == URI(PRINTER)


def test_metadata_finds_one_of_those_that_have_all_of_it(
    look_up: Resolve, here: Configuration
) -> None:
    assert look_up("PYROMETA:colour,laser", config=here) == URI(PRINTER)
    either = {look_up("PYROMETA:colour", config=here) for _ in range(50)}
    assert either == {URI(PRINTER), URI(PLOTTER)}


def test_what_is_not_registered_is_a_naming_error(
    look_up: Resolve, here: Configuration
) -> None:
    with pytest.raises(NamingError, match="unknown name: scanner"):
        look_up("PYRONAME:scanner", config=here)
    with pytest.raises(NamingError, match="colour, steam"):
        look_up("PYROMETA:colour,steam", config=here)


def test_a_name_that_appears_in_time_is_found(
    look_up: Resolve, names: Names, here: Configuration
) -> None:
    asked: list[str] = []

    class Late(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            asked.append(name)
            self[name] = ("PYRO:late@example.com:1", {"late"})
            raise KeyError(name)

    names.registered = Late()
    found = look_up("PYRONAME:latecomer", 0.5, config=here)
    assert found == URI("PYRO:late@example.com:1")
    assert asked == ["latecomer"]


def test_metadata_is_waited_for_as_long_as_configured_and_tried_once_more(
    look_up: Resolve, names: Names, here: Configuration
) -> None:
    here.NS_LOOKUP_DELAY = 0.02
    with pytest.raises(NamingError):
        look_up("PYROMETA:late", config=here)
    assert names.calls == ["yplookup", "yplookup"]


def test_a_name_may_stand_for_another_name_at_the_same_name_server(
    look_up: Resolve, names: Names, port: int, host: HostThread, settings: Configuration
) -> None:
    names.registered["default"] = ("PYRONAME:best", set())
    names.registered["best"] = ("PYROMETA:laser", set())
    uri = f"PYRONAME:default@127.0.0.1:{port}"
    assert look_up(uri, config=settings) == URI(PRINTER)


def test_names_that_lead_round_in_a_circle_are_an_error(
    look_up: Resolve, names: Names, here: Configuration
) -> None:
    names.registered["a"] = ("PYRONAME:b", set())
    names.registered["b"] = ("PYRONAME:a", set())
    with pytest.raises(NamingError, match="more than 10"):
        look_up("PYRONAME:a", config=here)


def test_what_is_no_uri_is_refused(look_up: Resolve, settings: Configuration) -> None:
    with pytest.raises(PyroError, match="invalid uri"):
        look_up("printer", config=settings)
    wrong: Any = 5
    with pytest.raises(TypeError):
        look_up(wrong, config=settings)


# All of them


def test_all_that_have_the_metadata_are_found(
    look_up_all: ResolveAll, here: Configuration
) -> None:
    found = look_up_all("PYROMETA:colour", config=here)
    assert sorted(map(str, found)) == [PLOTTER, PRINTER]
    first = {look_up_all("PYROMETA:colour", config=here)[0] for _ in range(20)}
    assert first == {URI(PRINTER), URI(PLOTTER)}
    assert look_up_all("PYROMETA:colour,laser", config=here) == [URI(PRINTER)]


def test_anything_but_metadata_stands_for_one(
    look_up_all: ResolveAll, here: Configuration
) -> None:
    assert look_up_all(PLOTTER, config=here) == [URI(PLOTTER)]
    assert look_up_all("PYRONAME:printer", config=here) == [URI(PRINTER)]


def test_an_object_with_two_names_is_found_once(
    look_up_all: ResolveAll, names: Names, here: Configuration
) -> None:
    names.registered["again"] = (PRINTER, {"laser"})
    names.registered["by name"] = ("PYRONAME:printer", {"laser"})
    assert look_up_all("PYROMETA:laser", config=here) == [URI(PRINTER)]


def test_what_leads_nowhere_is_left_out_if_there_is_another(
    look_up_all: ResolveAll, names: Names, here: Configuration
) -> None:
    names.registered["nowhere"] = ("PYRONAME:nothing", {"colour", "lost"})
    names.registered["no uri"] = ("somewhere", {"colour", "mistaken"})
    found = look_up_all("PYROMETA:colour", config=here)
    assert sorted(map(str, found)) == [PLOTTER, PRINTER]
    with pytest.raises(NamingError, match="unknown name: nothing"):
        look_up_all("PYROMETA:lost", config=here)
    with pytest.raises(NamingError, match="metadata: mistaken"):
        look_up_all("PYROMETA:mistaken", config=here)


def test_nobody_with_the_metadata_is_a_naming_error(
    look_up_all: ResolveAll, here: Configuration
) -> None:
    with pytest.raises(NamingError, match="metadata: broken, colour"):
        look_up_all("PYROMETA:colour,broken", config=here)
