"""What importing the client costs a program, by what is imported with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

RARELY_NEEDED = {
    "asyncio",
    "dataclasses",
    "difflib",
    "email",
    "importlib.metadata",
    "inspect",
    "pathlib",
    "platform",
    "random",
    "serpent",
    "ssl",
    "uuid",
    "pyro_client.candidates",
    "pyro_client.offered",
    "pyro_client.sharing.serving",
    "pyro_protocol.contract",
    "pyro_protocol.dispatch.dispatcher",
    "pyro_protocol.naming",
    "pyro_protocol.session.server",
    "pyro_protocol.session.service",
}


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_proxy_is_imported_without_what_few_programs_need() -> None:
    # Compared, as the interpreter itself may have been started with some of them.
    printed = run(
        "import sys\n"
        "before = set(sys.modules)\n"
        "from pyro_client import Proxy\n"
        "Proxy('PYRO:thing@localhost:1')\n"
        "print(*set(sys.modules) - before)"
    )
    assert RARELY_NEEDED.isdisjoint(printed.split())


def test_what_talks_to_servers_is_imported_with_the_first_proxy() -> None:
    printed = run(
        "import sys\n"
        "before = set(sys.modules)\n"
        "from pyro_client import Proxy\n"
        "print(*set(sys.modules) - before)"
    )
    talking = {"logging", "msgpack", "socket", "traceback", "pyro_client.binding"}
    assert talking.isdisjoint(printed.split())


@pytest.mark.parametrize(
    "package",
    [
        "pyro_client",
        "pyro_protocol",
        "pyro_protocol.dispatch",
        "pyro_protocol.session",
    ],
)
def test_everything_can_be_imported_from_a_package(package: str) -> None:
    printed = run(
        f"import {package} as package\n"
        f"from {package} import *\n"
        "assert all(name in globals() for name in package.__all__)\n"
        "try:\n"
        "    package.no_such_name\n"
        "except AttributeError as error:\n"
        "    print(error)"
    )
    assert printed.strip() == f"module {package!r} has no attribute 'no_such_name'"


@pytest.mark.parametrize("package", ["pyro_client", "pyro_protocol"])
def test_names_that_are_not_imported_yet_are_listed(package: str) -> None:
    printed = run(
        f"import {package} as package\nprint(set(package.__all__) <= set(dir(package)))"
    )
    assert printed.strip() == "True"


def test_a_module_of_the_package_does_not_hide_the_table_of_serializers() -> None:
    printed = run(
        "import pyro_protocol.serializers.native\n"
        "from pyro_protocol import serializers\n"
        "print(*serializers, pyro_protocol.serializers is serializers)"
    )
    assert printed.strip() == "serpent marshal json msgpack native True"


def test_a_reference_is_read_by_a_program_that_uses_only_serializers() -> None:
    printed = run(
        "from pyro_protocol import serializers\n"
        "fields = ['PYRO:thing@localhost:1', [], [], [], 'hello', None]\n"
        "form = {'__class__': 'Pyro5.client.Proxy', 'state': fields}\n"
        "json = serializers['json']\n"
        "print(type(json.loads(json.dumps(form))).__name__)"
    )
    assert printed.strip() == "Proxy"
