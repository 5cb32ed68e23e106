"""The meta-package: all public names in one place."""

from __future__ import annotations

import importlib
import importlib.metadata
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import pyro_suite

if TYPE_CHECKING:
    from types import ModuleType

PARTS = ["pyro_protocol", "pyro_client", "pyro_server", "pyro_naming", "pyro_httpgw"]


def public_names(package: ModuleType) -> set[str]:
    return set(package.__all__) - {"__version__"}


@pytest.mark.parametrize("part", PARTS)
def test_it_offers_every_public_name_of_a_part(part: str) -> None:
    package = importlib.import_module(part)
    assert public_names(package) <= set(pyro_suite.__all__)
    for name in public_names(package):
        assert getattr(pyro_suite, name) is getattr(package, name), name


def test_it_offers_nothing_of_its_own() -> None:
    names = [public_names(importlib.import_module(part)) for part in PARTS]
    assert public_names(pyro_suite) == set().union(*names)


@pytest.mark.parametrize("part", [*PARTS, "pyro_suite"])
def test_the_list_of_public_names_is_sorted_and_true(part: str) -> None:
    package = importlib.import_module(part)
    listed = list(package.__all__)
    assert len(set(listed)) == len(listed)
    assert all(hasattr(package, name) for name in listed)
    assert package.__version__ == importlib.metadata.version(part.replace("_", "-"))


def test_star_import_gives_the_public_names() -> None:
    program = (
        "from pyro_suite import *; print(Proxy, Daemon, start_ns, pyro_app, expose)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.parametrize(
    ("statement", "unused"),
    [
        ("import pyro_suite", "pyro_protocol"),
        ("from pyro_suite import expose", "pyro_client"),
        ("from pyro_suite import Proxy", "pyro_server"),
        ("from pyro_suite import start_ns", "pyro_client"),
        ("from pyro_suite import Daemon", "pyro_httpgw"),
        ("from pyro_server import expose", "pyro_server.daemon"),
        *(
            ("from pyro_server import Daemon; Daemon(port=0).close()", module)
            for module in (
                "asyncio",
                "concurrent.futures",
                "pathlib",
                "pyro_protocol.naming",
                "ssl",
                "uuid",
            )
        ),
    ],
)
def test_what_a_program_does_not_use_is_not_imported(
    statement: str, unused: str
) -> None:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert unused not in done.stdout.split()


@pytest.mark.parametrize("package", ["pyro_suite", "pyro_server"])
def test_a_package_lists_its_names_and_knows_no_others(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018 - the point
