from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pyro_naming import MemoryStorage, NameServer, NameServerClient
from pyro_naming.asyncio_name_server import AsyncNameServer
from pyro_naming.patterns import PatternProcess
from pyro_naming.threaded_name_server import ThreadedNameServer
from pyro_protocol.errors import NamingError
from support.hosting import HostThread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COSTLY = "(a+)+b"


class Shared(MemoryStorage):
    """A storage that is used as if it were on another machine."""

    networked = True


@pytest.fixture(params=[AsyncNameServer, ThreadedNameServer])
def uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a name server is, that knows two names."""
    storage = MemoryStorage() if request.param is AsyncNameServer else Shared()
    names = NameServer(storage)
    names.register("a" * 50, "PYRO:a@h:1", metadata={"x"})
    names.register("aab", "PYRO:b@h:1", metadata={"y"})
    names.announce("PYRO:Pyro.NameServer@h:1")
    published = request.param(storage, PatternProcess(time_limit=1))
    with HostThread() as host:
        yield str(host.register(published, "Pyro.NameServer"))
    storage.close()
    asyncio.run(published.join())


@pytest.fixture
def client(uri: str) -> Iterator[NameServerClient]:
    with NameServerClient(uri) as client:
        yield client


@pytest.mark.parametrize(
    "search",
    [
        lambda names: names.list(regex=COSTLY),
        lambda names: names.remove(regex=COSTLY),
        lambda names: list(names.entries(regex=COSTLY)),
    ],
    ids=["list", "remove", "entries"],
)
def test_one_clients_pattern_delays_no_other_client(
    uri: str, client: NameServerClient, search: Callable[[NameServerClient], object]
) -> None:
    with ThreadPoolExecutor(1) as thread, NameServerClient(uri) as other:
        client.ping()
        other.ping()
        matching = thread.submit(search, other)
        for _ in range(20):
            assert str(client.lookup("aab")) == "PYRO:b@h:1"
        assert not matching.done()
        with pytest.raises(NamingError, match="more than 1 seconds"):
            matching.result()
        other.ping()
        assert client.count() == 3


def test_patterns_of_many_clients_delay_no_look_up(
    uri: str, client: NameServerClient
) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(40) as threads:
        others = [stack.enter_context(NameServerClient(uri)) for _ in range(40)]
        client.ping()
        matching = [threads.submit(one.list, regex=COSTLY) for one in others]
        # Each pattern takes a second, two at a time are matched.
        for _ in range(20):
            assert str(client.lookup("aab")) == "PYRO:b@h:1"
        assert not all(one.done() for one in matching)
        for one in others:
            one._pyroRelease()


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
