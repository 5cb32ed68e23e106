from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.contract import members_of
from pyro_server import behavior
from pyro_server.targets import Target, TargetError, load_target, prepare_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOUSE = """
class Heating:
    class pump:
        name = "the pump"
lamp = "a lamp"
"""


@pytest.fixture
def module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], None]:
    """Writes modules that can be imported, and are forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    return write


@pytest.mark.parametrize("text", ["house:Thermostat", "my.house:Heating.pump", "h:_x"])
def test_a_target_is_a_module_and_an_attribute(text: str) -> None:
    target = Target.parse(text)
    assert str(target) == text
    assert target == tuple(text.split(":"))


@pytest.mark.parametrize(
    "text", ["house", "house:", ":lamp", "house:a b", "a:b:c", "house.py:x.", "", "1:a"]
)
def test_anything_else_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match="write module:attribute"):
        Target.parse(text)


def test_the_attribute_may_have_dots(module: Callable[[str, str], None]) -> None:
    module("pyro_test_house", HOUSE)
    assert load_target(Target("pyro_test_house", "lamp")) == "a lamp"
    pump = load_target(Target("pyro_test_house", "Heating.pump"))
    assert pump.name == "the pump"


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("lmap", "pyro_test_house has no attribute 'lmap'; did you mean 'lamp'"),
        ("Heating.pmp", r"house\.Heating has no attribute 'pmp'; did you mean 'pump'"),
        ("Heating.zzzzz", "has no attribute 'zzzzz'$"),
    ],
)
def test_an_attribute_that_is_missing_is_named(
    module: Callable[[str, str], None], attribute: str, message: str
) -> None:
    module("pyro_test_house", HOUSE)
    with pytest.raises(TargetError, match=message) as caught:
        load_target(Target("pyro_test_house", attribute))
    assert caught.value.details == ""


@pytest.mark.parametrize("name", ["pyro_test_nowhere", "pyro_test_nowhere.house"])
def test_a_module_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(
        TargetError, match=r"'pyro_test_nowhere' was not found"
    ) as caught:
        load_target(Target(name, "lamp"))
    assert caught.value.details == ""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("import pyro_test_nowhere", "ModuleNotFoundError"),
        ("from json import nonsense", "ImportError"),
        ("def f():\n    1 / 0\nf()", "ZeroDivisionError"),
        ("def (", "SyntaxError"),
        ("import sys; sys.exit(3)", "SystemExit"),
    ],
)
def test_a_module_that_fails_shows_where_from_itself_on(
    module: Callable[[str, str], None], text: str, error: str
) -> None:
    module("pyro_test_broken", text)
    with pytest.raises(
        TargetError, match=f"'pyro_test_broken' failed with {error}"
    ) as it:
        load_target(Target("pyro_test_broken", "lamp"))
    details = it.value.details
    assert error in details
    assert "pyro_test_broken.py" in details
    assert "importlib" not in details
    assert "targets.py" not in details


def exposing() -> Any:
    @expose
    class Lamp:
        def shine(self) -> None: ...

    return Lamp


def mode_of(clazz: type) -> tuple[str, Any]:
    members = members_of(clazz)
    return members.instance_mode, members.instance_creator


def test_a_class_that_says_nothing_gets_a_single_instance() -> None:
    lamp = exposing()
    assert mode_of(lamp) == ("session", None)
    prepare_target(Target("house", "Lamp"), lamp, None)
    assert mode_of(lamp) == ("single", None)


def test_what_a_class_says_is_kept_unless_the_mode_is_given() -> None:
    def create(clazz: Any) -> Any:
        return clazz()

    lamp = behavior("percall", create)(exposing())
    prepare_target(Target("house", "Lamp"), lamp, None)
    assert mode_of(lamp) == ("percall", create)
    prepare_target(Target("house", "Lamp"), lamp, "session")
    assert mode_of(lamp) == ("session", create)


def test_an_object_has_its_instance_already() -> None:
    prepare_target(Target("house", "lamp"), exposing()(), None)
    with pytest.raises(TargetError, match="is for classes"):
        prepare_target(Target("house", "lamp"), exposing()(), "single")


@pytest.mark.parametrize("target", [dict, {}, print, sys])
def test_what_exposes_nothing_is_refused_with_advice(target: Any) -> None:
    expected = r"house:it exposes nothing: mark class '.*', .* with @expose"
    with pytest.raises(TargetError, match=expected):
        prepare_target(Target("house", "it"), target, None)
