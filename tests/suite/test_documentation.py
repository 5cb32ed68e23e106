"""What the documents say is what the code does."""

from __future__ import annotations

import ast
import importlib
import json
import re
from pathlib import Path

import pytest

from pyro_suite import Configuration

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    documented = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", text, re.MULTILINE))
    settings = Configuration(use_environment=False).as_dict()
    assert documented == {name: repr(value) for name, value in settings.items()}


@pytest.mark.parametrize("name", ["server.py", "client.py"])
def test_the_example_of_the_readme_is_the_one_that_is_tested(name: str) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    code = (ROOT / "examples" / "quickstart" / name).read_text("utf-8")
    assert f"```python\n{code}```" in readme
    assert len(code.splitlines()) <= 15


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_between_the_documents_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if not re.match(r"[a-z]+:", link):
            file, _, heading = link.partition("#")
            target = page.parent / file if file else page
            assert target.exists(), link
            if heading:
                assert heading in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return what a link can name in a page: its headings, as hosts spell them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_code_that_the_documents_show_is_code_and_imports_what_there_is(
    page: Path,
) -> None:
    text = page.read_text("utf-8")
    for block in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(
                "pyro_"
            ):
                module = importlib.import_module(str(node.module))
                missing = [
                    one.name for one in node.names if not hasattr(module, one.name)
                ]
                assert not missing, f"{page_name(page)}: {node.module} has no {missing}"


def test_every_weakness_of_pyro5_is_accounted_for() -> None:
    text = (ROOT / "docs" / "weaknesses.md").read_text("utf-8")
    numbers = [int(number) for number in re.findall(r"\bW(\d\d)\b", text)]
    unused = {30, 61, 62, 64}
    assert sorted(numbers) == sorted(set(range(1, 67)) - unused)


def limits() -> dict[str, str]:
    text = (ROOT / "docs" / "limits.md").read_text("utf-8")
    return dict(re.findall(r"^\| `([\w.]+)` \| `(.+?)` \|", text, re.MULTILINE))


def test_the_limits_that_can_be_set_are_documented_with_their_defaults() -> None:
    settings = Configuration(use_environment=False).as_dict()
    documented = {name: value for name, value in limits().items() if "." not in name}
    assert documented == {name: repr(settings[name]) for name in documented}
    assert {name for name in settings if name.startswith("MAX_")} <= set(documented)


def test_the_fixed_limits_are_documented_with_their_values() -> None:
    documented = {name: value for name, value in limits().items() if "." in name}
    assert len(documented) > 10
    for name, value in documented.items():
        module, _, constant = name.rpartition(".")
        found = getattr(importlib.import_module(module), constant)
        assert repr(found) == value, name


def test_the_messages_of_the_capabilities_are_those_that_are_tested() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    shown = {
        "".join(block.split())
        for block in re.findall(r"^```\n([^`]+)```$", text, re.MULTILINE)
    }
    vectors = (ROOT / "tests" / "vectors" / "capabilities.json").read_text("utf-8")
    assert {one["hex"] for one in json.loads(vectors)} <= shown
