"""Modules of ours under the public names of another package."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_PROVIDING = """
import sys
from pyro_suite.compat.providing import provide

provide("shown", {
    "shown": "hidden",
    "shown.inside": "hidden.part",
    "shown.deep": "hidden.part",
    "shown.deep.tool": "hidden.tool",
})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a package of ours, and an installed one of the public name."""
    ours = tmp_path / "hidden"
    ours.mkdir()
    (ours / "__init__.py").write_text("where = 'ours'\n")
    (ours / "part.py").write_text("from . import where\nprint('part runs')\n")
    (ours / "tool.py").write_text(
        "import sys\n\ndef main():\n    print('tool', sys.argv[1:])\n    return 3\n"
    )
    real = tmp_path / "shown"
    real.mkdir()
    (real / "__init__.py").write_text("where = 'installed'\n")
    (real / "only.py").write_text("")
    return tmp_path


def _python(
    folder: Path, text: str, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_public_name_is_the_very_module_of_ours_and_loads_when_it_is_used(
    folder: Path,
) -> None:
    ran = _python(
        folder,
        _PROVIDING + "print('hidden' in sys.modules)\n"
        "import shown, shown.deep.tool\n"
        "print(shown.where)\n"
        "import shown.inside, hidden.part, hidden.tool\n"
        "print(shown.inside is hidden.part, shown is hidden)\n"
        "print(shown.deep.tool is hidden.tool, hidden.part.__spec__.name)\n"
        "from shown.deep import tool\nprint(tool is hidden.tool)\n",
    )
    assert ran.stdout.splitlines() == [
        "False",
        "part runs",
        "ours",
        "True True",
        "True hidden.part",
        "True",
    ]
    assert ran.returncode == 0, ran.stderr


def test_what_is_not_provided_is_not_found_although_it_is_installed(
    folder: Path,
) -> None:
    ran = _python(
        folder,
        _PROVIDING + "try:\n    import shown.only\n"
        "except ModuleNotFoundError as error:\n    print(error.name, '|', error)\n",
    )
    assert ran.stdout.strip() == (
        "shown.only | No module named 'shown.only' in what pyro-suite provides for "
        "shown"
    )


def test_a_real_package_that_is_imported_already_is_left_alone(folder: Path) -> None:
    ran = _python(folder, "import shown\n" + _PROVIDING)
    assert ran.returncode == 1
    assert "ImportError: shown has been imported already, from " in ran.stderr
    assert str(folder / "shown" / "__init__.py") in ran.stderr


def test_a_module_is_found_in_its_package_before_it_is_imported(folder: Path) -> None:
    ran = _python(
        folder,
        _PROVIDING + "from shown import inside\nprint(inside.__name__)\n"
        "try:\n    from shown import outside\n"
        "except ImportError as error:\n    print(type(error).__name__)\n",
    )
    assert ran.stdout.splitlines() == ["part runs", "hidden.part", "ImportError"]


def test_providing_twice_changes_nothing(folder: Path) -> None:
    ran = _python(
        folder,
        _PROVIDING + "import shown\n" + _PROVIDING + "print(len([\n"
        "    one for one in sys.meta_path if hasattr(one, 'name')]))",
    )
    assert ran.stdout.strip() == "1", ran.stderr


def test_a_module_with_a_main_can_be_run_by_its_public_name(folder: Path) -> None:
    run = "import runpy\nrunpy.run_module({!r}, run_name='__main__', alter_sys=True)"
    ran = _python(folder, _PROVIDING + run.format("shown.deep.tool"), "one", "two")
    assert ran.returncode == 3
    assert ran.stdout.splitlines()[-1] == "tool ['one', 'two']"
    refused = _python(folder, _PROVIDING + run.format("shown.inside"))
    assert "shown.inside is no program" in refused.stderr
