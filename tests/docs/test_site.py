"""The site can be built, and has everything that is public."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.programs import clean_environment

ROOT = Path(__file__).parents[2]
PACKAGES = ["pyro_protocol", "pyro_client", "pyro_server", "pyro_naming", "pyro_httpgw"]
# It is built once, with --dist=loadgroup.
pytestmark = pytest.mark.xdist_group("site")

# Modules, and what says itself.
NOT_LISTED = {"__version__", "errors", "serializers"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as mkdocs builds it, without a warning."""
    for module in ("mkdocs", "material", "mkdocstrings"):
        if importlib.util.find_spec(module) is None:
            reason = f"the site is built by {module}, which is not installed"
            if os.environ.get("DOCS"):
                pytest.fail(reason)
            pytest.skip(reason)
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=clean_environment({"NO_MKDOCS_2_WARNING": "1"}),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_of_the_folder_is_a_page_of_the_site(site: Path) -> None:
    for page in ROOT.glob("docs/**/*.md"):
        relative = page.relative_to(ROOT / "docs")
        made = relative.with_name(relative.name.replace("README", "index"))
        assert (site / made.with_suffix(".html")).is_file(), relative


def test_what_pages_link_to_outside_of_the_folder_is_in_the_site(site: Path) -> None:
    assert (site / "packages" / "pyro-client" / "index.html").is_file()
    plot = ROOT / "benchmarks" / "results" / "summary.svg"
    copied = site / "benchmarks" / "results" / "summary.svg"
    shown = "summary.svg" in (ROOT / "docs" / "performance.md").read_text("utf-8")
    assert plot.is_file() == copied.is_file() == shown


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loading = re.compile(
        r"<(?:script|img|iframe)[^>]* src=\"?(?:https?:)?//"
        r"|<link[^>]* rel=\"?(?:stylesheet|preconnect|icon)[^>]* href=\"?(?:https?:)?//"
    )
    for page in site.glob("**/*.html"):
        assert not loading.search(page.read_text("utf-8")), page


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    text = "".join(
        page.read_text("utf-8") for page in (site / "reference").glob("*.html")
    )
    # A name that is also one of a module is listed where it is defined.
    listed = {one.rpartition(".")[2] for one in re.findall(r'id="?(pyro_[\w.]+)', text)}
    for package in PACKAGES:
        for name in importlib.import_module(package).__all__:
            if name not in NOT_LISTED:
                assert name in listed, f"{package}.{name}"


def test_the_reference_has_every_command(site: Path) -> None:
    text = (site / "reference" / "commands.html").read_text("utf-8")
    for tool in ("ns", "nsc", "serve", "call", "doctor", "stubs", "httpgw", "demo"):
        assert f"usage: pyro {tool}" in text
