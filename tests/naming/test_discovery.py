from __future__ import annotations

import asyncio
import sys
import uuid
from contextlib import closing, suppress
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from pyro_naming import AsyncNameServerDaemon, start_ns
from pyro_naming.discovery import find
from pyro_protocol import NAMESERVER_NAME, URI, Configuration
from pyro_protocol.errors import NamingError
from pyro_protocol.naming import locate_ns, locate_ns_async
from support.programs import Program

if TYPE_CHECKING:
    from pathlib import Path

LOOPBACK = "127.0.0.1"
# For an answer that does come; one that does not is waited for less.
LONG, SHORT = 20.0, 2.0


@pytest.fixture
def settings() -> Configuration:
    """Settings that stay on this machine, and apart from other tests."""
    result = Configuration(use_environment=False)
    result.MDNS_ADDRS = [LOOPBACK]
    result.MDNS_NAME = f"test-{uuid.uuid4().hex}"
    return result


@pytest.fixture(autouse=True)
def zeroconf() -> None:
    """The library, without which there is nothing to test."""
    pytest.importorskip("zeroconf")


def first(settings: Configuration) -> str | None:
    """Return the first name server that is found."""
    with closing(find(settings, LONG)) as found:
        return next(found, None)


def announced(settings: Configuration, host: str = LOOPBACK) -> AsyncNameServerDaemon:
    return AsyncNameServerDaemon(
        host, 0, enableBroadcast=False, zeroconf=True, config=settings
    )


@pytest.mark.parametrize("host", [LOOPBACK, "0.0.0.0"])
def test_an_announced_name_server_is_found_by_the_address_to_use(
    settings: Configuration, host: str
) -> None:
    async def search() -> None:
        async with announced(settings, host) as daemon:
            found = await asyncio.to_thread(first, settings)
            assert found == f"PYRO:{NAMESERVER_NAME}@{LOOPBACK}:{daemon.uri.port}"

    asyncio.run(search())


def test_a_host_name_is_told_first_because_certificates_have_it(
    settings: Configuration,
) -> None:
    async def search() -> None:
        async with announced(settings, "localhost") as daemon:
            found = await asyncio.to_thread(first, settings)
            assert found == str(daemon.uri) != ""
            assert daemon.uri.host == "localhost"

    asyncio.run(search())


def test_locating_finds_it_once_nothing_answers_a_broadcast(
    settings: Configuration,
) -> None:
    settings.NS_HOST = "names.invalid"
    settings.BROADCAST_ADDRS = []

    # A busy machine may not answer as soon as a search ends.
    def locate() -> URI:
        while True:
            with suppress(NamingError), locate_ns(config=settings) as names:
                return names._pyroUri

    async def locate_async() -> URI:
        while True:
            with suppress(NamingError):
                async with await locate_ns_async(config=settings) as names:
                    return names._pyroUri

    async def search() -> None:
        async with announced(settings) as daemon:
            assert await asyncio.to_thread(locate) == daemon.uri
            assert await locate_async() == daemon.uri

    asyncio.run(search())


def test_start_ns_announces_it_too(settings: Configuration) -> None:
    with start_ns(LOOPBACK, 0, zeroconf=True, config=settings).daemon as daemon:
        assert first(settings) == str(daemon.uriFor(NAMESERVER_NAME))


def test_one_with_another_name_is_not_found(settings: Configuration) -> None:
    other = settings.copy()
    other.MDNS_NAME = f"test-{uuid.uuid4().hex}"

    async def search() -> None:
        async with announced(settings):
            assert await asyncio.to_thread(lambda: list(find(other, SHORT))) == []

    asyncio.run(search())


def test_nothing_is_searched_where_nothing_is_to_be_broadcast(
    settings: Configuration,
) -> None:
    settings.MDNS_ADDRS = []
    settings.BROADCAST_ADDRS = []

    assert list(find(settings, LONG)) == []


def test_a_search_goes_no_further_than_broadcasts(settings: Configuration) -> None:
    searching = settings.copy()
    searching.MDNS_ADDRS = []
    searching.BROADCAST_ADDRS = ["127.0.0.1", "127.255.255.255"]

    async def search() -> None:
        async with announced(settings) as daemon:
            assert await asyncio.to_thread(first, searching) == str(daemon.uri)

    asyncio.run(search())


def test_one_without_a_name_is_found_by_those_without_one_only(
    settings: Configuration,
) -> None:
    unnamed = settings.copy()
    unnamed.MDNS_NAME = ""

    async def search() -> None:
        async with announced(settings) as named:
            found = await asyncio.to_thread(lambda: list(find(unnamed, SHORT)))
            assert str(named.uri) not in found

    asyncio.run(search())


def test_two_of_the_same_name_are_found_both(settings: Configuration) -> None:
    def both() -> set[str]:
        result: set[str] = set()
        with closing(find(settings, LONG)) as found:
            while len(result) < 2:
                result.add(next(found))
        return result

    async def search() -> None:
        async with announced(settings) as one, announced(settings) as other:
            assert one.announcement is not None
            assert other.announcement is not None
            assert one.announcement.name == settings.MDNS_NAME
            assert other.announcement.name == f"{settings.MDNS_NAME}-2"
            found = await asyncio.to_thread(both)
            assert found == {str(one.uri), str(other.uri)}

    asyncio.run(search())


def test_it_is_not_found_any_more_when_it_has_stopped(settings: Configuration) -> None:
    async def search() -> None:
        async with announced(settings):
            pass
        assert await asyncio.to_thread(lambda: list(find(settings, SHORT))) == []

    asyncio.run(search())


def environment(settings: Configuration) -> dict[str, str]:
    """Return the settings for a program."""
    return {
        "PYRO_MDNS_ADDRS": LOOPBACK,
        "PYRO_MDNS_NAME": settings.MDNS_NAME,
        "PYRO_BROADCAST_ADDRS": LOOPBACK,
        "PYRO_NS_HOST": "names.invalid",
    }


# As above, it searches again until it finds one.
CLIENT = """
from pyro_naming import locate_ns
from pyro_protocol.errors import NamingError

while True:
    try:
        print("found", locate_ns()._pyroUri)
        break
    except NamingError:
        pass
"""


def test_programs_announce_and_find_it(settings: Configuration) -> None:
    where = ("-n", LOOPBACK, "-p", "0", "-s", "memory", "--zeroconf")
    surroundings = environment(settings)
    with Program("-m", "pyro_naming", *where, settings=surroundings) as program:
        program.wait_for(f"^Announced by mDNS as {settings.MDNS_NAME}$")
        uri = program.wait_for(r"^URI = (\S+)$")[1]
        with Program("-c", CLIENT, settings=surroundings) as client:
            assert client.wait_for("^found (.*)$")[1] == uri

        async def search_in_a_loop() -> str | None:
            return first(settings)

        # The library itself would wait for the loop, which waits for the search.
        assert asyncio.run(search_in_a_loop()) == uri
        assert program.end() == 0


def test_any_text_can_be_its_name(settings: Configuration) -> None:
    settings.MDNS_NAME = f"Übung. 1\n{settings.MDNS_NAME}, and a long text after it"

    async def search() -> None:
        async with announced(settings) as daemon:
            assert await asyncio.to_thread(first, settings) == str(daemon.uri)

    asyncio.run(search())


def test_a_name_that_is_too_long_is_an_error(settings: Configuration) -> None:
    settings.MDNS_NAME = "x" * 201
    with pytest.raises(NamingError, match="MDNS_NAME is too long"):
        asyncio.run(announced(settings).start())


def test_a_unix_socket_cannot_be_announced(
    settings: Configuration, tmp_path: Path
) -> None:
    path = str(tmp_path / "names.sock")
    daemon = AsyncNameServerDaemon(unixsocket=path, zeroconf=True, config=settings)
    with pytest.raises(NamingError, match="Unix socket"):
        asyncio.run(daemon.start())


def test_without_the_library_announcing_is_an_error_and_nothing_is_found(
    settings: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that importing it fails.
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with pytest.raises(NamingError, match=r"pip install 'pyro-naming\[zeroconf\]'"):
        announced(settings)
    assert list(find(settings, LONG)) == []


def test_importing_it_does_not_import_the_library() -> None:
    program = "import sys, pyro_naming.discovery; assert 'zeroconf' not in sys.modules"
    with Program("-c", program) as running:
        assert running.wait() == 0, running.lines


def test_programs_find_it_as_installed() -> None:
    (entry_point,) = metadata.entry_points(group="pyro.discovery", name="zeroconf")
    assert entry_point.load() is find
