"""What is provided has the public names of the real Pyro5, and runs as its commands."""

from __future__ import annotations

import json
import multiprocessing
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.hosting import DEADLINE
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

_LAYER = ("-W", "error", "-m", "pyro_suite.compat.pyro5")

# What each module names in its ``__all__`` or defines itself; or all that is there.
_LISTING = """
import importlib, inspect, json, sys

found = {}
for name in sys.argv[2].split():
    module = importlib.import_module(name)
    own = set(getattr(module, "__all__", ()))
    for member in dir(module):
        value = getattr(module, member)
        defined = getattr(value, "__module__", None) == name
        constant = member.isupper() and isinstance(value, int)
        if sys.argv[1] == "all" or constant or (defined and callable(value)):
            own.add(member)
    found[name] = [one for one in own if not one.startswith("_")]
    for kind in ("Proxy", "BatchProxy", "Daemon", "SerializerBase", "URI"):
        clazz = getattr(module, kind, None)
        if inspect.isclass(clazz):
            found[f"{name}.{kind}"] = [
                one for one in dir(clazz)
                if one.startswith("_pyro") or not one.startswith("_")
            ]
print(json.dumps(found))
"""

_MODULES = (
    "Pyro5 Pyro5.api Pyro5.callcontext Pyro5.client Pyro5.compatibility.Pyro4 "
    "Pyro5.configure Pyro5.core Pyro5.errors Pyro5.nameserver Pyro5.nsc "
    "Pyro5.protocol Pyro5.serializers Pyro5.server Pyro5.socketutil "
    "Pyro5.utils.echoserver Pyro5.utils.httpgateway"
)

# Public by their spelling, but in no documentation, and of no use to programs.
_INTERNAL = {
    "Pyro5.compatibility.Pyro4": {"NamespaceInterceptor"},
    "Pyro5.nameserver": {"AutoCleaner"},
    "Pyro5.nsc": {"handle_command"},
    "Pyro5.protocol": {"log_wiredata"},
    "Pyro5.serializers": {
        "pyro_class_serpent_serializer",
        "serialize_pyro_object_to_dict",
    },
    "Pyro5.server": {"is_private_attribute"},
    "Pyro5.socketutil": {"USE_MSG_WAITALL"},
    "Pyro5.utils.echoserver": {"NameServer", "start_nameserver"},
    "Pyro5.utils.httpgateway": {
        "cors_response_header",
        "get_nameserver",
        "invalid_request",
        "not_found",
        "option_request",
        "process_pyro_request",
        "redirect",
        "return_homepage",
        "singlyfy_parameters",
    },
}
_INTERNAL_MEMBERS = {
    "BatchProxy": {"_pyroInvoke"},
    "Proxy": {"_pyroHmacKey"},
    "Daemon": {"handleRequest"},
    "SerializerBase": {"make_exception", "register_type_replacement"},
    "URI": {"isUnixsockLocation", "uriRegEx"},
}


def _names(which: str, command: list[str], folder: Path) -> dict[str, set[str]]:
    program = folder / "listing.py"
    program.write_text(_LISTING)
    ran = subprocess.run(
        [*command, str(program), which, _MODULES],
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=2 * DEADLINE,
        check=True,
    )
    found = json.loads(ran.stdout)
    return {name: set(names) for name, names in found.items()}


def test_every_public_name_of_pyro5_is_there(pyro5: Path, tmp_path: Path) -> None:
    real = _names("own", [str(pyro5)], tmp_path)
    ours = _names("all", [sys.executable, *_LAYER], tmp_path)
    missing = {}
    for name, names in real.items():
        kind = name.rpartition(".")[2]
        internal = _INTERNAL.get(name, set()) | _INTERNAL_MEMBERS.get(kind, set())
        if lacking := names - ours[name] - internal:
            missing[name] = lacking
    assert missing == {}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *_LAYER, *arguments],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=2 * DEADLINE,
        check=False,
    )


def test_the_commands_of_pyro5_are_run_by_their_modules() -> None:
    with Program(
        *(*_LAYER, "-m", "Pyro5.nameserver", "-n", "127.0.0.1", "-p", "0", "-x")
    ) as names:
        uri = names.wait_for(r"^URI = PYRO:Pyro.NameServer@127.0.0.1:(\d+)$")
        place = ("-n", "127.0.0.1", "-p", uri[1])
        assert _run("-m", "Pyro5.nsc", *place, "ping").stdout == (
            "Name server ping ok.\n"
        )
        registered = _run("-m", "Pyro5.nsc", *place, "register", "x", "PYRO:a@b:1")
        assert (registered.returncode, registered.stdout) == (0, "Registered x\n")
        assert "x --> PYRO:a@b:1" in _run("-m", "Pyro5.nsc", *place, "list").stdout
        assert _run("-m", "Pyro5.nsc", *place, "lookup", "unknown").returncode == 1
        assert names.end(signal.SIGINT) == 0
    settings = _run("-m", "Pyro5.configure").stdout
    assert "Protocol version: 502\n" in settings
    assert "\nSERIALIZER = serpent\n" in settings
    with Program(*_LAYER, "-m", "Pyro5.utils.echoserver") as echo:
        echo_uri = echo.wait_for("^echo uri: (.*)$")[1]
        echo.wait_for("^echoserver running.$")
        with Program(*(*_LAYER, "-m", "Pyro5.utils.httpgateway", "-p", "0")) as gateway:
            gateway.wait_for("http://.*/pyro/")
            gateway.end(signal.SIGINT)
        assert echo_uri.startswith("PYRO:test.echoserver@localhost:")
        assert echo.end(signal.SIGINT) == 0
    refused = _run("-m", "Pyro5.core")
    assert refused.returncode == 1
    assert "Pyro5.core is no program" in refused.stderr


def test_an_import_provides_pyro5_and_no_other(pyro5: Path, tmp_path: Path) -> None:
    program = tmp_path / "importing.py"
    program.write_text(
        "import pyro_suite.compat.pyro5\n"
        "from Pyro5 import api\n"
        "import Pyro5.server, pickle\n"
        "proxy = api.Proxy('PYRO:a@b:1')\n"
        "print(b'Pyro5.client' in pickle.dumps(proxy))\n"
        "print(Pyro5.server.Daemon is api.Daemon, Pyro5.api is api)\n"
    )
    ran = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["True", "True True"]
    folder = tmp_path / "installed" / "Pyro5"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    program.write_text(
        f"import sys; sys.path.insert(0, {str(folder.parent)!r})\n"
        "import Pyro5\n"
        "import pyro_suite.compat.pyro5\n"
    )
    refused = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1
    assert f"from {folder / '__init__.py'}" in refused.stderr


def test_marshal_is_taken_by_programs_alone_that_have_chosen_it(tmp_path: Path) -> None:
    program = tmp_path / "choosing.py"
    program.write_text(
        "import sys, threading, Pyro5.api, Pyro5.errors, pyro_client, pyro_protocol\n"
        "if sys.argv[1] == 'config':\n"
        "    Pyro5.api.config.SERIALIZER = 'marshal'\n"
        "if sys.argv[1] == 'proxy':\n"
        "    Pyro5.api.Proxy('PYRO:a@b:1')._pyroSerializer = 'marshal'\n"
        "@Pyro5.api.expose\n"
        "class Echo:\n"
        "    def echo(self, value):\n"
        "        return value\n"
        "with Pyro5.api.Daemon() as daemon:\n"
        "    threading.Thread(target=daemon.requestLoop, daemon=True).start()\n"
        "    settings = pyro_protocol.config.copy()\n"
        "    settings.SERIALIZER = 'marshal'\n"
        "    uri = daemon.register(Echo())\n"
        "    with pyro_client.Proxy(uri, config=settings) as proxy:\n"
        "        try:\n"
        "            print(proxy.echo(b'bytes'))\n"
        "        except Pyro5.errors.PyroError as error:\n"
        "            print('refused')\n"
    )
    printed = {
        how: _run(str(program), how).stdout for how in ("config", "proxy", "neither")
    }
    assert printed == {
        "config": "b'bytes'\n",
        "proxy": "b'bytes'\n",
        "neither": "refused\n",
    }
    settings = {"PYRO_SERIALIZER": "marshal"}
    with Program(*_LAYER, str(program), "neither", settings=settings) as chosen:
        chosen.wait_for("^b'bytes'$")


@pytest.mark.parametrize("how", ["spawn", "forkserver", "fork"])
def test_processes_of_multiprocessing_have_the_same_names(
    how: str, tmp_path: Path
) -> None:
    if how not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system does not {how}")
    program = tmp_path / "sharing.py"
    program.write_text(
        "import multiprocessing, sys\n"
        "import Pyro5.api\n"
        "def where(name):\n"
        "    return name + ' ' + Pyro5.api.Proxy.__mro__[1].__module__\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context(sys.argv[1])\n"
        "    with context.Pool(1) as pool:\n"
        "        print(pool.map(where, ['child']))\n"
        "        pool.close()\n"
        "        pool.join()\n"
    )
    # Python warns of forking where there are threads.
    ran = subprocess.run(
        [sys.executable, "-m", "pyro_suite.compat.pyro5", str(program), how],
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=2 * DEADLINE,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (0, "['child pyro_client.proxy']\n")
