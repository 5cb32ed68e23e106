"""What an installed distribution declares, and what it brings along."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import subprocess
import sys

from packaging.requirements import Requirement

__all__ = [
    "command_names",
    "has_type_information",
    "licence_files",
    "load_every_command",
    "loaded_parts",
    "requirements",
]

_IMPORT_EVERY_MODULE = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
for name in package.__all__:
    getattr(package, name)
tops = {name.partition(".")[0] for name in sys.modules}
print(*sorted(top for top in tops if top.startswith("pyro_")))
"""


def requirements(distribution: str) -> dict[str, Requirement]:
    """Return by name what installing the distribution without extras requires."""
    declared = map(Requirement, importlib.metadata.requires(distribution) or [])
    return {
        requirement.name: requirement
        for requirement in declared
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


def loaded_parts(package: str) -> list[str]:
    """Return the packages of Pyro that are loaded by using all of this one."""
    result = subprocess.run(
        [sys.executable, "-c", _IMPORT_EVERY_MODULE, package],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return result.stdout.split()


def has_type_information(package: str) -> bool:
    """Return whether type checkers use the annotations of the package."""
    return (importlib.resources.files(package) / "py.typed").is_file()


def licence_files(distribution: str) -> list[str]:
    """Return the licence files that the distribution's metadata names."""
    return importlib.metadata.metadata(distribution).get_all("License-File") or []


def command_names(distribution: str) -> set[str]:
    """Return the commands that installing the distribution puts on the path."""
    scripts = importlib.metadata.distribution(distribution).entry_points
    return {script.name for script in scripts.select(group="console_scripts")}


def load_every_command(distribution: str) -> None:
    """Import the function behind each command and check that it can be called."""
    scripts = importlib.metadata.distribution(distribution).entry_points
    for script in scripts.select(group="console_scripts"):
        assert callable(script.load()), script
