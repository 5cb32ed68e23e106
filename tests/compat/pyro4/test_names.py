"""What stands in for Pyro4 has the public names of the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import clean_environment

_LISTING = Path(__file__).parent / "programs" / "listing.py"

_MODULES = (
    "Pyro4",
    "Pyro4.configuration",
    "Pyro4.constants",
    "Pyro4.core",
    "Pyro4.errors",
    "Pyro4.futures",
    "Pyro4.message",
    "Pyro4.naming",
    "Pyro4.naming_storage",
    "Pyro4.nsc",
    "Pyro4.socketutil",
    "Pyro4.test.echoserver",
    "Pyro4.util",
    "Pyro4.utils.httpgateway",
)

# Public by their spelling, but of no use to programs or explained by no page.
_INTERNAL = {
    "Pyro4.core": {
        "pyroObjectToAutoProxy",
        "pyro_class_serpent_serializer",
        "serialize_core_object_to_dict",
    },
    "Pyro4.message": {"Message", "config"},
    "Pyro4.naming_storage": {"NamingError"},
    "Pyro4.nsc": {"handleCommand"},
    "Pyro4.socketutil": {
        "ERRNO_BADF",
        "ERRNO_EADDRINUSE",
        "ERRNO_EADDRNOTAVAIL",
        "ERRNO_ENOTSOCK",
        "ERRNO_RETRIES",
        "getSSLcontext",
    },
    "Pyro4.test.echoserver": {"NameServer", "config", "startNameServer"},
    "Pyro4.util": {
        "all_exceptions",
        "config",
        "fixIronPythonExceptionForPickle",
        "get_exposed_members",
        "get_exposed_property_value",
        "name",
        "reset_exposed_members",
        "set_exposed_property_value",
        "t",
    },
    "Pyro4.utils.httpgateway": {
        "config",
        "get_nameserver",
        "index_page_template",
        "invalid_request",
        "not_found",
        "process_pyro_request",
        "redirect",
        "return_homepage",
        "singlyfy_parameters",
    },
}
_OF_CLASSES = {"Daemon": {"handleRequest"}, "URI": {"uriRegEx"}}


def _listed(*command: str | Path, ours: bool) -> dict[str, list[str]]:
    environment = clean_environment()
    if not ours:
        # The other interpreter has packages of its own.
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [*command, _LISTING, *_MODULES],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_every_documented_name_is_there() -> None:
    real = _listed(pyro5_python(), "-W", "ignore", ours=False)
    ours = _listed(sys.executable, "-m", "pyro_suite.compat.pyro4", ours=True)
    missing = {}
    for place, names in real.items():
        left_out = _INTERNAL.get(place, set()) | _OF_CLASSES.get(
            place.rpartition(".")[2], set()
        )
        if ".test." in place and place not in _MODULES:
            # The name server that it starts is not its own.
            continue
        absent = set(names) - set(ours.get(place, ())) - left_out - {"_pyroExposed"}
        if absent:
            missing[place] = absent
    assert not missing
    assert len(real) > len(_MODULES)
