"""What the path of a request stands for."""

from __future__ import annotations

import pytest

from pyro_httpgw.routing import (
    AssetRoute,
    CallRoute,
    NoRoute,
    Place,
    methods_of,
    route_of,
)


@pytest.mark.parametrize("path", ["", "/", "//"])
def test_the_top_is_the_way_to_the_home_page(path: str) -> None:
    assert route_of(path) == Place.TOP


@pytest.mark.parametrize("path", ["/pyro/", "pyro/", "//pyro/"])
def test_below_the_prefix_is_the_home_page(path: str) -> None:
    assert route_of(path) == Place.HOME


@pytest.mark.parametrize(
    ("path", "name", "member"),
    [
        ("/pyro/house.thermostat/heat", "house.thermostat", "heat"),
        ("/pyro/rooms/hall/heat", "rooms/hall", "heat"),
        ("/pyro//slash/heat", "/slash", "heat"),
        ("/pyro/house.thermostat/$meta", "house.thermostat", "$meta"),
    ],
)
def test_the_last_part_is_the_member_and_all_before_it_the_name(
    path: str, name: str, member: str
) -> None:
    assert route_of(path) == CallRoute(name, member)


@pytest.mark.parametrize("path", ["/pyro", "/x", "/pyrotechnics/a/b", "/x/pyro/a/b"])
def test_anything_else_is_nothing(path: str) -> None:
    assert route_of(path) == NoRoute(below_prefix=False)


@pytest.mark.parametrize("path", ["/pyro/x", "/pyro/x/", "/pyro//x"])
def test_a_name_without_a_member_is_nothing_below_the_prefix(path: str) -> None:
    assert route_of(path) == NoRoute(below_prefix=True)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/pyro/$objects", Place.OBJECTS),
        ("/openapi.json", Place.OPENAPI),
        ("/healthz", Place.HEALTH),
        ("/readyz", Place.READINESS),
        ("/metrics", Place.METRICS),
    ],
)
def test_the_gateway_has_places_of_its_own(path: str, place: Place) -> None:
    assert route_of(path) is place


def test_a_file_of_the_explorer_is_named_by_all_that_follows() -> None:
    assert route_of("/static/a/../b.js") == AssetRoute("a/../b.js")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/pyro/a/heat", "GET POST PUT OPTIONS"),
        ("/pyro/a/$meta", "GET POST OPTIONS"),
        ("/pyro/a/$describe", "GET OPTIONS"),
        ("/pyro/a/$batch", "POST OPTIONS"),
        ("/pyro/", "GET HEAD POST OPTIONS"),
        ("/pyro/$objects", "GET HEAD OPTIONS"),
        ("/healthz", "GET HEAD OPTIONS"),
        ("/static/main.js", "GET HEAD OPTIONS"),
    ],
)
def test_each_route_has_its_methods(path: str, methods: str) -> None:
    assert methods_of(route_of(path)) == tuple(methods.split())
