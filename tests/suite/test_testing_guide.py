"""The pages about testing and migrating, followed to the letter."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.page_runs import PageRun

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["testing.md", "migrate.md"])
def test_the_page_can_be_followed(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also where the packages run from their sources, which announce neither the plugin
    # nor the command.
    monkeypatch.setenv("PYTEST_PLUGINS", "pyro_suite.testing.plugin")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    command = tmp_path / "commands" / "pyro"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pyro_suite "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    folder = tmp_path / "reader"
    folder.mkdir()
    with PageRun(folder) as reader:
        reader.follow(DOCS / page)
