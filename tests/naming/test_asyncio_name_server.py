from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pyro_naming import MemoryStorage, NameServerClient
from pyro_naming.asyncio_name_server import AsyncNameServer
from pyro_naming.patterns import PatternProcess
from pyro_protocol.errors import NamingError
from support.hosting import HostThread

if TYPE_CHECKING:
    from collections.abc import Iterator

COSTLY = "(a+)+b"


@pytest.fixture
def uri() -> Iterator[str]:
    """Where a name server is, that knows two names."""
    names = AsyncNameServer(MemoryStorage(), PatternProcess(time_limit=1))
    names.register("a" * 50, "PYRO:a@h:1", metadata={"x"})
    names.register("aab", "PYRO:b@h:1", metadata={"y"})
    names.announce("PYRO:Pyro.NameServer@h:1")
    with HostThread() as host:
        yield str(host.register(names, "Pyro.NameServer"))


@pytest.fixture
def client(uri: str) -> Iterator[NameServerClient]:
    with NameServerClient(uri) as client:
        yield client


def test_one_clients_pattern_delays_no_other_client(
    uri: str, client: NameServerClient
) -> None:
    with ThreadPoolExecutor(1) as thread, NameServerClient(uri) as other:
        client.ping()
        other.ping()
        matching = thread.submit(other.list, regex=COSTLY)
        for _ in range(20):
            assert str(client.lookup("aab")) == "PYRO:b@h:1"
        assert not matching.done()
        with pytest.raises(NamingError, match="more than 1 seconds"):
            matching.result()
        other.ping()


def test_a_pattern_with_groups_finds_what_it_should(client: NameServerClient) -> None:
    assert client.list(regex="(aa)+b") == {"aab": "PYRO:b@h:1"}
    assert client.list(regex="(aa|Py)", return_metadata=True).keys() == {
        "a" * 50,
        "aab",
        "Pyro.NameServer",
    }
    assert client.list(regex="aab") == {"aab": "PYRO:b@h:1"}


def test_names_can_be_removed_by_any_pattern(client: NameServerClient) -> None:
    assert client.remove(regex="(aab|Pyro)") == 1
    assert client.remove(regex="a+$") == 1
    assert list(client.list()) == ["Pyro.NameServer"]


def test_a_pattern_counts_only_where_nothing_else_is_given(
    client: NameServerClient,
) -> None:
    assert client.remove("aab", regex=COSTLY) == 1
    with pytest.raises(ValueError, match="not both"):
        client.list(prefix="a", regex=COSTLY)
    with pytest.raises(NamingError, match="invalid regex"):
        client.list(regex="(")
