"""The programs that the explorer shows for a call do what its button does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from support.browsing import card, expect, program
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from support.browsing import Visitor
    from support.showroom import Showroom, Thermostat

_RUN: Final = {
    "curl": ["bash", "-c"],
    "Python": [sys.executable, "-c"],
    "Pyro": [sys.executable, "-c"],
    "JavaScript": ["node", "--input-type=module", "-e"],
}


def shown(page: Page, method: str, kind: str) -> str:
    """Return the program that is shown for a method whose card is open."""
    snippets = card(page, method).locator(".snippets")
    if not snippets.locator("pre").is_visible():
        snippets.locator("summary").click()
    snippets.get_by_role("button", name=kind, exact=True).click()
    expect(snippets.locator("pre")).to_contain_text("http.own")
    return snippets.locator("pre").inner_text()


def output_of(kind: str, text: str, showroom: Showroom) -> str:
    """Return what a program prints."""
    program({"curl": "curl", "JavaScript": "node"}.get(kind, "bash"))
    folder = str(Path(__file__).parents[1])
    ended = subprocess.run(
        [*_RUN[kind], text],
        env=os.environ | showroom.environment | {"PYTHONPATH": folder},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize("kind", _RUN)
def test_a_call_with_arguments(
    visitor: Visitor,
    showroom: Showroom,
    thermostat: tuple[str, Thermostat],
    kind: str,
) -> None:
    name, _own = thermostat
    page = visitor.open(f"#/{name}/heat")
    form = card(page, "heat")
    form.get_by_label("room", exact=True).select_option("study")
    form.get_by_label("degrees", exact=True).fill("22.5")
    form.get_by_label("mode", exact=True).select_option("BOOST")
    form.get_by_label("quietly", exact=True).check()
    form.get_by_label("until", exact=True).fill("2026-05-01T12:30")
    output = output_of(kind, shown(page, "heat", kind), showroom)
    for text in ("study", "22.5", "BOOST", "2026-05-01T12:30:00"):
        assert text in output


@pytest.mark.parametrize("kind", _RUN)
def test_texts_with_quotes_and_lists(
    visitor: Visitor,
    showroom: Showroom,
    thermostat: tuple[str, Thermostat],
    kind: str,
) -> None:
    name, _own = thermostat
    page = visitor.open(f"#/{name}/anything")
    text = r'["it\u0027s \"so\" $HOME \\ `x`", 1.5, null, {"a": [true]}]'
    card(page, "anything").get_by_label("*values", exact=True).fill(text)
    output = output_of(kind, shown(page, "anything", kind), showroom)
    assert "$HOME" in output
    assert "`x`" in output
    assert "1.5" in output


@pytest.mark.parametrize("kind", _RUN)
def test_a_stream(
    visitor: Visitor,
    showroom: Showroom,
    thermostat: tuple[str, Thermostat],
    kind: str,
) -> None:
    name, _own = thermostat
    page = visitor.open(f"#/{name}/readings")
    card(page, "readings").get_by_label("count", exact=True).fill("3")
    output = output_of(kind, shown(page, "readings", kind), showroom)
    lines = [float(line) for line in output.splitlines()]
    assert len(lines) == 3
    assert lines[0] == 20


@pytest.mark.parametrize("kind", _RUN)
def test_an_attribute(
    visitor: Visitor,
    showroom: Showroom,
    thermostat: tuple[str, Thermostat],
    kind: str,
) -> None:
    name, own = thermostat
    own.target = 12.25
    page = visitor.open(f"#/{name}")
    snippets = page.locator('.attribute[data-name="target"] .snippets')
    snippets.locator("summary").click()
    snippets.get_by_role("button", name=kind, exact=True).click()
    expect(snippets.locator("pre")).to_contain_text("http.own")
    output = output_of(kind, snippets.locator("pre").inner_text(), showroom)
    assert output.strip() == "12.25"
