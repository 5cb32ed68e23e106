"""Which source files count, and when they have changed."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from pyro_server.reloading import (
    ImportedFiles,
    SourceWatch,
    files_of_failure,
    stamp_of,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.invalidate_caches()


def test_own_modules_count_and_installed_ones_do_not(tmp_path: Path) -> None:
    imported = ImportedFiles()
    imported.new()
    (tmp_path / "own_of_the_test.py").write_text("import antigravity_of_the_test\n")
    (tmp_path / "antigravity_of_the_test.py").write_text("")
    importlib.import_module("own_of_the_test")
    names = ("own_of_the_test", "antigravity_of_the_test")
    expected = {str(tmp_path / f"{name}.py") for name in names}
    found = imported.new()
    assert {path for path in found if path.startswith(str(tmp_path))} == expected
    assert imported.new() == {}
    assert not [path for path in found if path in (json.__file__, pytest.__file__)]


def failure_of(module: str) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - of any kind
        importlib.import_module(module)
    return caught.value


def test_an_import_that_failed_depends_on_the_files_it_came_to(tmp_path: Path) -> None:
    (tmp_path / "outer_of_the_test.py").write_text("import inner_of_the_test\n")
    (tmp_path / "inner_of_the_test.py").write_text("def wrong(:\n")
    found = set(files_of_failure(failure_of("outer_of_the_test")))
    assert str(tmp_path / "outer_of_the_test.py") in found
    assert str(tmp_path / "inner_of_the_test.py") in found


def test_a_module_that_is_missing_may_appear(tmp_path: Path) -> None:
    found = set(files_of_failure(failure_of("missing_of_the_test.inner")))
    assert str(tmp_path / "missing_of_the_test.py") in found
    assert str(tmp_path / "missing_of_the_test" / "__init__.py") in found


def test_an_error_that_was_caught_counts_too(tmp_path: Path) -> None:
    (tmp_path / "cause_of_the_test.py").write_text("1 / 0\n")
    (tmp_path / "effect_of_the_test.py").write_text(
        "try:\n    import cause_of_the_test\n"
        "except ZeroDivisionError as error:\n    raise ValueError from error\n"
    )
    found = set(files_of_failure(failure_of("effect_of_the_test")))
    assert str(tmp_path / "cause_of_the_test.py") in found


def test_a_change_is_seen_once(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text("a")
    watch = SourceWatch()
    watch.add({str(file): stamp_of(str(file))})
    assert watch.changed() == []
    os.utime(file, ns=(1, 1))
    assert watch.changed() == [str(file)]
    assert watch.changed() == []


def test_a_change_before_it_was_watched_counts(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text("a")
    seen = stamp_of(str(file))
    file.write_text("ab")
    watch = SourceWatch()
    watch.add({str(file): seen})
    assert watch.changed() == [str(file)]


def test_a_file_that_is_gone_has_changed_when_it_is_back(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    watch = SourceWatch()
    watch.add({str(file): stamp_of(str(file))})
    assert watch.changed() == []
    file.write_text("a")
    assert watch.changed() == [str(file)]
    file.unlink()
    assert watch.changed() == []
    file.write_text("abc")
    assert watch.changed() == [str(file)]
