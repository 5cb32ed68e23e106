"""Everything of ours together: four processes and this one."""

from __future__ import annotations

import signal
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pyro_suite import BatchProxy, Daemon, NameServerClient, Proxy, errors, expose
from support.gateway import GatewayProcess
from support.hosting import DEADLINE
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent


class House(NamedTuple):
    """Where things are.

    Attributes:
        names: the location of the name server.
        settings: what tells a program where the name server is.
        gateway: the process that lets browsers in.
    """

    names: str
    settings: dict[str, str]
    gateway: GatewayProcess


@pytest.fixture(scope="module", params=["thread", "multiplex"])
def house(request: pytest.FixtureRequest) -> Iterator[House]:
    """A name server, an object server and a gateway."""
    names = Program("-m", "pyro_naming", "-n", "127.0.0.1", "-p", "0", "-x")
    with names:
        ready = names.wait_for(r"URI = PYRO:Pyro.NameServer@(\S+):(\d+)")
        settings = {"PYRO_NS_HOST": ready[1], "PYRO_NS_PORT": ready[2]}
        server = serve(
            *("house.thermostat", "--metadata", "heating"),
            *("--servertype", request.param),
            settings=settings,
        )
        with server:
            server.wait_for("Pyro daemon running")
            environment = clean_environment(settings)
            with GatewayProcess("-e", "house", environment=environment) as gateway:
                yield House(f"{ready[1]}:{ready[2]}", settings, gateway)


def serve(name: str, *options: str, settings: dict[str, str]) -> Program:
    """Start a process that publishes a thermostat under a name."""
    return Program(
        *("-m", "pyro_server", "house:Thermostat", "--host", "127.0.0.1"),
        *("--name", name, *options),
        settings=settings,
        folder=FOLDER,
    )


@pytest.fixture
def thermostat(house: House) -> Iterator[Proxy]:
    """A proxy of the thermostat, found by its name."""
    with Proxy(f"PYRONAME:house.thermostat@{house.names}") as thermostat:
        yield thermostat


def test_a_call_finds_its_way(thermostat: Proxy) -> None:
    assert thermostat.heat("attic") == "Heating the attic to 21.0 degrees"
    assert thermostat.heat("hall", degrees=18) == "Heating the hall to 18 degrees"


def test_the_object_is_found_by_its_metadata(house: House) -> None:
    with Proxy(f"PYROMETA:heating@{house.names}") as thermostat:
        assert thermostat.heat("attic").startswith("Heating")


def test_attributes_streams_coroutines_and_batches_work(thermostat: Proxy) -> None:
    thermostat.degrees = 19.0
    assert thermostat.degrees == 19.0
    assert list(thermostat.history(3)) == [19.0, 18.0, 17.0]
    assert thermostat.forecast(2) == [19.0, 19.0]
    batch = BatchProxy(thermostat)
    batch.heat("hall")
    batch.burst()
    results = batch()
    assert next(results) == "Heating the hall to 21.0 degrees"
    with pytest.raises(ValueError, match="burst"):
        next(results)


def test_native_values_come_back_as_they_were(thermostat: Proxy) -> None:
    value = {("a", 1): {b"bytes", 2}, "nested": [(1, 2), frozenset({3}), 1j]}
    assert thermostat.echo(value) == value


def test_a_remote_exception_shows_where_it_was_raised(thermostat: Proxy) -> None:
    with pytest.raises(ValueError, match="burst") as caught:
        thermostat.burst()
    assert "house.py" in "".join(errors.get_pyro_traceback(caught.value))


def test_a_oneway_call_is_carried_out(thermostat: Proxy) -> None:
    assert thermostat.flush() is None
    assert thermostat.was_flushed()


def test_an_object_handed_out_is_a_proxy(thermostat: Proxy) -> None:
    with thermostat.pump() as pump:
        assert type(pump) is Proxy
        assert pump.pressure() == 1.5


def test_an_object_of_this_process_is_called_back(thermostat: Proxy) -> None:
    @expose
    class Display:
        def show(self) -> str:
            return "on the display"

    with Daemon(host="127.0.0.1") as daemon:
        display = Display()
        daemon.register(display)
        serving = threading.Thread(target=daemon.requestLoop)
        serving.start()
        try:
            # It comes back as the reference it was sent as, and leads here.
            with thermostat.echo(display) as returned:
                assert returned.show() == "on the display"
        finally:
            daemon.shutdown()
            serving.join(DEADLINE)


def test_many_threads_share_a_proxy(thermostat: Proxy) -> None:
    def call(thread: int) -> list[str]:
        return [thermostat.echo(f"{thread}:{number}") for number in range(50)]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(call, range(16), timeout=DEADLINE))
    assert answers == [
        [f"{thread}:{number}" for number in range(50)] for thread in range(16)
    ]


def test_the_gateway_makes_the_call_for_a_browser(house: House) -> None:
    query = urllib.parse.urlencode({"room": "attic"})
    answer = house.gateway.ask(f"/pyro/house.thermostat/heat?{query}")
    assert answer.status == 200
    assert answer.json() == "Heating the attic to 21.0 degrees"


def test_names_are_listed_with_their_metadata(house: House) -> None:
    with NameServerClient(f"PYRO:Pyro.NameServer@{house.names}") as names:
        uri, metadata = names.lookup("house.thermostat", return_metadata=True)
        assert metadata == {"heating"}
        assert uri.object == "house.thermostat"


def test_the_commands_of_the_parts_work_together(house: House) -> None:
    uri = f"PYRONAME:house.thermostat@{house.names}"
    with Program("-m", "pyro_client", uri, "heat", "attic", "degrees=5") as call:
        call.wait_for("Heating the attic to 5 degrees")
        assert call.wait() == 0
    host, port = house.names.split(":")
    with Program("-m", "pyro_naming.nsc", "-n", host, "-p", port, "list") as listing:
        listing.wait_for("house.thermostat")
        assert listing.wait() == 0


def test_a_server_that_ends_takes_its_name_away(house: House) -> None:
    with serve("house.cellar", settings=house.settings) as server:
        server.wait_for("Pyro daemon running")
        with Proxy(f"PYRONAME:house.cellar@{house.names}") as cellar:
            assert cellar.heat("cellar").startswith("Heating")
        assert server.end(signal.SIGTERM) == 0
    with pytest.raises(errors.NamingError, match=r"house\.cellar"):
        Proxy(f"PYRONAME:house.cellar@{house.names}").heat("cellar")
