"""What the path of a request stands for."""

from __future__ import annotations

import pytest

from pyro_httpgw.routing import CallRoute, HomeRoute, NoRoute, TopRoute, route_of


@pytest.mark.parametrize("path", ["", "/", "//"])
def test_the_top_is_the_way_to_the_home_page(path: str) -> None:
    assert route_of(path) == TopRoute()


@pytest.mark.parametrize("path", ["/pyro/", "pyro/", "//pyro/"])
def test_below_the_prefix_is_the_home_page(path: str) -> None:
    assert route_of(path) == HomeRoute()


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
