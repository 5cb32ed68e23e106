"""``pyro-serve`` with a name server and callers that are the real Pyro5's."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI, ProxyState, locate_ns
from pyro_protocol.config import Configuration
from pyro_protocol.errors import PyroError
from pyro_protocol.transport import BlockingChannel
from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import Program, clean_environment, name_server_of_pyro5

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
VISITOR = FOLDER / "visitor_of_pyro5.py"

NameServer = tuple[str, int]


@pytest.fixture(scope="module")
def name_server() -> Iterator[NameServer]:
    """Where Pyro5's name server is."""
    program, host, port = name_server_of_pyro5(pyro5_python())
    with program:
        yield host, port


@pytest.fixture(scope="module", params=["thread", "multiplex", "asyncio"])
def workshop(
    request: pytest.FixtureRequest, name_server: NameServer
) -> Iterator[Program]:
    """The command that serves the workshop."""
    with Program(
        *("-m", "pyro_server", "workshop:workshop", "--name", "town.workshop"),
        *("--metadata", "workshop", "--servertype", request.param),
        folder=FOLDER,
        settings={
            "PYRO_NS_HOST": name_server[0],
            "PYRO_NS_PORT": str(name_server[1]),
            # Pyro5 can be told to use marshal, and so can we to accept it.
            "PYRO_SERIALIZERS_ACCEPTED": "native,serpent,json,msgpack,marshal",
        },
    ) as program:
        program.wait_for("^Pyro daemon running.$")
        yield program
        assert program.end() == 0
        assert registered(name_server) == {"Pyro.NameServer"}


def registered(name_server: NameServer) -> set[str]:
    with locate_ns(*name_server) as names:
        return set(names.list())


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack", "marshal"])
def test_a_program_written_for_pyro5_uses_the_workshop(
    workshop: Program, name_server: NameServer, serializer: str
) -> None:
    host, port = name_server
    result = subprocess.run(
        [pyro5_python(), VISITOR, host, str(port), serializer],
        check=True,
        stdout=subprocess.PIPE,
        env=clean_environment(),
        text=True,
        timeout=60,
    )
    found = json.loads(result.stdout)
    expected: dict[str, Any] = {
        "call": [4, 4, 4],
        "echo": {"text": "ü€", "numbers": [1, 2.5, None, True]},
        "stream": [0, 0.5, 1, 1.5],
        "async": "painted blue",
        "async stream": ["coat 1 is dry", "coat 2 is dry"],
        "error": ["the saw is blunt", 7],
        "where": True,
        "private": True,
        "oneway": True,
        "methods": [
            *("break_down", "cut", "dry", "echo", "lend", "measure"),
            *("note", "notes", "paint"),
        ],
        "attributes": ["temperature"],
        "tagged": ["town.workshop"],
        "by tag": [5],
    }
    if serializer != "marshal":
        expected |= {
            "attribute": 18.5,
            "batch": [[1], "two"],
            "reference": ["saw", "saw used 2 times"],
        }
    assert found == expected


@pytest.mark.parametrize("serializer", ["auto", "serpent", "json", "msgpack"])
def test_a_reference_is_a_proxy_where_proxies_are_installed_and_a_state_elsewhere(
    workshop: Program, name_server: NameServer, serializer: str
) -> None:
    with locate_ns(*name_server) as names:
        uri = names.lookup("town.workshop")
    channel = BlockingChannel.connect(
        uri,
        serializer=serializer,
        timeout=DEADLINE,
        config=Configuration(use_environment=False),
    )
    tool = channel.call("town.workshop", "lend")
    if importlib.util.find_spec("pyro_client") is None:
        assert isinstance(tool, ProxyState)
        assert tool.methods == {"use"}
        assert tool.attributes == {"name"}
        with pytest.raises(PyroError, match="install pyro-client"):
            tool.use(2)
        # It can be passed on, and is the same thing there.
        assert channel.call("town.workshop", "echo", (tool,)) == tool
        object_id = str(URI(tool.uri).object)
        assert channel.call(object_id, "use", (2,)) == "saw used 2 times"
    else:
        with tool:
            assert tool.use(2) == "saw used 2 times"
            assert tool.name == "saw"
    channel.close()
