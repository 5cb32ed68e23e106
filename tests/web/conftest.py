"""A real browser, and a gateway with objects to look at.

The tests of the explorer need what is no Python package:

* Debian's package ``chromium``, which is driven by ``playwright``; none of the browsers
  that playwright brings along is used;
* the npm package ``axe-core``: the file ``axe.min.js``, of which ``AXE_CORE`` in the
  environment tells the path, or which is found in a ``node_modules`` of this folder
  or one above it;
* ``curl`` and ``node``, for the programs that the page shows.

What is missing lets tests be skipped, and fail where ``CI`` is set. Screenshots go to
the folder that ``SCREENSHOTS`` names, or to ``build/screenshots``.
"""

from __future__ import annotations

import importlib.util
import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from support.browsing import Visitor, missing, program
from support.gateway import GatewayProcess
from support.hosting import DEADLINE
from support.showroom import Showroom, Thermostat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

ROOT: Final = Path(__file__).parents[2]
_AXE: Final = Path("node_modules", "axe-core", "axe.min.js")
_numbers = count()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser, until the end of the module, since its event loop is in the way."""
    chromium = program("chromium")
    if importlib.util.find_spec("playwright") is None:
        missing("playwright is missing; install it from PyPI")
    from playwright import sync_api as api

    api.expect.set_options(timeout=DEADLINE * 1000)
    # Its sandbox does not work for root.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def showroom() -> Iterator[Showroom]:
    """Objects with names."""
    with Showroom() as showroom:
        yield showroom


@pytest.fixture(scope="module")
def gateway(showroom: Showroom) -> Iterator[GatewayProcess]:
    """A gateway to them that tells everybody everything."""
    environment = showroom.environment
    with GatewayProcess("--tracebacks", "always", environment=environment) as gateway:
        yield gateway


@pytest.fixture
def thermostat(showroom: Showroom) -> Iterator[tuple[str, Thermostat]]:
    """An object of the test's own, with its name."""
    thermostat = Thermostat()
    name = f"http.own.thermostat{next(_numbers)}"
    showroom.register(name, thermostat, "own")
    yield name, thermostat
    thermostat.released.set()
    thermostat._go_on()
    showroom.remove(name)


@pytest.fixture
def visitor(browser: Browser, gateway: GatewayProcess) -> Iterator[Visitor]:
    """Somebody who looks at the explorer, in which nothing goes wrong."""
    visitor = Visitor(browser, gateway.port)
    yield visitor
    visitor.close()
    assert visitor.problems == []


@pytest.fixture
def keep_picture() -> Callable[[Page, str], None]:
    """Keeps a picture of a page, as an artefact of the tests."""
    folder = Path(os.environ.get("SCREENSHOTS") or ROOT / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)

    def keep(page: Page, name: str) -> None:
        page.screenshot(path=folder / f"{name}.png")

    return keep


@pytest.fixture(scope="session")
def axe() -> str:
    """The program that finds what keeps people out of a page."""
    candidates = [folder / _AXE for folder in Path(__file__).parents]
    if "AXE_CORE" in os.environ:
        candidates.insert(0, Path(os.environ["AXE_CORE"]))
    found = next(filter(Path.is_file, candidates), None)
    if found is None:
        missing("axe-core is missing; npm install axe-core, or set AXE_CORE")
    return found.read_text("utf-8")
