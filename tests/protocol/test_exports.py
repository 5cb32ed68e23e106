from __future__ import annotations

import importlib
import pkgutil

import pytest

import pyro_protocol

MODULES = ["pyro_protocol"] + [
    module.name
    for module in pkgutil.walk_packages(pyro_protocol.__path__, "pyro_protocol.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_announces_is_there(name: str) -> None:
    module = importlib.import_module(name)

    for exported in module.__all__:
        assert hasattr(module, exported), exported
    assert len(set(module.__all__)) == len(module.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert importlib.import_module(name).__doc__ or name.endswith("__about__")


@pytest.mark.parametrize(
    "name",
    [name for name in MODULES if hasattr(importlib.import_module(name), "__path__")],
)
def test_a_package_announces_only_what_its_modules_do(name: str) -> None:
    package = importlib.import_module(name)
    announced = {
        exported
        for module in MODULES
        if module.startswith(f"{name}.")
        for exported in importlib.import_module(module).__all__
    }
    submodules = {module.name for module in pkgutil.iter_modules(package.__path__)}

    assert set(package.__all__) <= announced | submodules
