"""`connect`: proxies with the type of what they stand for."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterator  # noqa: TC003 - as annotations they are looked at
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pytest

from pyro_client import (
    AsyncProxy,
    Configuration,
    Proxy,
    connect,
    connect_async,
    connected,
    connected_async,
)
from pyro_client.stubs import main as stubs
from pyro_protocol import expose
from pyro_protocol.errors import CommunicationError, NamingError
from support.hosting import HostThread

if TYPE_CHECKING:
    from support.workbench import Workbench

T_co = TypeVar("T_co", covariant=True)


class Adder(Protocol):
    """A part of what the workbench has."""

    level: int

    def add(self, a: Any, b: Any) -> Any: ...

    def count(self, most: int) -> Iterator[int]: ...


class AsyncAdder(Protocol):
    @property
    def level(self) -> Awaitable[int]: ...

    async def add(self, a: Any, b: Any) -> Any: ...

    def count(self, most: int) -> AsyncIterator[int]: ...


def test_the_proxy_is_connected_and_does_what_the_class_says(
    uri: str, host: HostThread
) -> None:
    bench = connect(Adder, uri)
    assert host.connection_count == 1
    assert bench.add(2, 3) == 5
    assert list(bench.count(3)) == [0, 1, 2]
    bench.level = 7
    assert bench.level == 7
    assert type(bench) is Proxy


def test_the_connection_ends_with_the_block(uri: str, host: HostThread) -> None:
    with connected(Adder, uri) as bench:
        assert bench.add(2, 3) == 5
    host.wait_for_client_gone()
    with pytest.raises(KeyError), connected(Adder, uri) as bench:
        raise KeyError
    host.wait_for_client_gone()


def test_the_settings_are_those_given(uri: str) -> None:
    settings = Configuration(use_environment=False, COMMTIMEOUT=7.5)
    bench: Any = connect(Adder, uri, config=settings)
    assert bench._pyroTimeout == 7.5


def test_a_server_that_asks_who_calls_is_told(bench: Workbench) -> None:
    def check(client: object, greeting: Any) -> str:
        if greeting != {"token": "secret"}:
            raise PermissionError("who are you?")
        return "welcome"

    async def main(uri: str) -> Any:
        proxy = await connect_async(AsyncAdder, uri, handshake={"token": "secret"})
        async with connected_async(AsyncAdder, uri, handshake={"token": "secret"}):
            return await proxy.add(1, 2)

    with HostThread(validate_handshake=check) as host:
        uri = str(host.register(bench, "bench"))
        assert connect(Adder, uri, handshake={"token": "secret"}).add(1, 2) == 3
        with connected(Adder, uri, handshake={"token": "secret"}) as proxy:
            assert proxy.add(1, 2) == 3
        assert asyncio.run(main(uri)) == 3
        assert stubs([uri, "--handshake", '{"token": "secret"}', "-o", os.devnull]) == 0
        assert stubs([uri, "-o", os.devnull]) == 3
        with pytest.raises(CommunicationError, match="who are you"):
            connect(Adder, uri)


def test_an_abstract_class_a_plain_one_and_a_generic_one_describe_as_well(
    uri: str, bench: Workbench
) -> None:
    class Abstract(ABC):
        @abstractmethod
        def echo(self, value: int) -> int: ...

    class Plain:
        def __init__(self, needed: int) -> None:
            raise AssertionError("nothing of the class is run")

        def echo(self, value: int) -> int:
            return value + self._more()

        def _more(self) -> int:
            return 1

    class Source(Protocol[T_co]):
        def echo(self, value: Any) -> T_co: ...

    @dataclasses.dataclass
    class Record:
        level: int
        fixed: str = ""

    assert connect(Abstract, uri).echo(1) == 1
    assert connect(Plain, uri).echo(1) == 1
    assert connect(Source[int], uri).echo(1) == 1
    assert connect(Record, uri).fixed == "cannot be set"
    assert connect(type(bench), uri, check=False).echo(1) == 1


def test_of_a_served_class_only_what_it_exposes_has_to_be_there(
    host: HostThread,
) -> None:
    class Served:
        @expose
        def shown(self) -> int:
            return 1

        def hidden(self) -> int:
            return 2

    uri = host.register(Served(), "served")
    assert connect(Served, uri).shown() == 1


def test_what_the_object_lacks_is_named_with_what_may_be_meant(
    uri: str, host: HostThread
) -> None:
    class Wrong(Protocol):
        fixd: str

        @property
        def add(self) -> int: ...

        def echoo(self) -> None: ...

        def level(self) -> int: ...

        def whatever(self) -> None: ...

    with pytest.raises(TypeError) as caught:
        connect(Wrong, uri)
    host.wait_for_client_gone()
    text = str(caught.value)
    assert f"remote object {uri} is no " in text
    assert "no method 'echoo' (did you mean 'echo'?)" in text
    assert "no attribute 'fixd' (did you mean 'fixed'?)" in text
    assert "'add', but not as attribute" in text
    assert "'level', but not as method" in text
    assert "no method 'whatever'," in text
    assert "check=False" in text


def test_without_a_check_anything_can_be_tried(uri: str) -> None:
    class Wrong(Protocol):
        def echoo(self) -> None: ...

        async def add(self, a: int, b: int) -> int: ...

    bench: Any = connect(Wrong, uri, check=False)
    assert bench.add(1, 2) == 3
    with pytest.raises(AttributeError, match="did you mean 'echo'"):
        bench.echoo()


@pytest.mark.parametrize("bad", [None, "Adder", len, 5])
def test_what_is_no_class_is_refused(uri: str, bad: Any) -> None:
    with pytest.raises(TypeError, match="needs a class or Protocol"):
        connect(bad, uri)
    with pytest.raises(TypeError, match="needs a class or Protocol"):
        asyncio.run(connect_async(bad, uri))


def test_a_server_that_is_not_there_shows_at_once(closed_location: str) -> None:
    uri = f"PYRO:bench@{closed_location}"
    with pytest.raises(CommunicationError, match="cannot connect"):
        connect(Adder, uri)
    with pytest.raises(NamingError):
        connect(Adder, f"PYRONAME:bench@{closed_location}")
    with pytest.raises(CommunicationError, match="cannot connect"):
        asyncio.run(connect_async(AsyncAdder, uri))


def test_a_class_of_proxies_is_made_itself(uri: str) -> None:
    class Loud(Proxy):
        def shout(self, text: str) -> Any:
            return self.echo(text.upper())

    class AsyncLoud(AsyncProxy):
        async def shout(self, text: str) -> Any:
            return await self.echo(text.upper())

    async def main() -> Any:
        async with await connect_async(AsyncLoud, uri) as proxy:
            return await proxy.shout("a")

    assert connect(Loud, uri).shout("a") == "A"
    assert asyncio.run(main()) == "A"


# asyncio


def test_an_async_proxy_does_what_the_class_says(uri: str, host: HostThread) -> None:
    async def main() -> None:
        bench = await connect_async(AsyncAdder, uri)
        assert host.connection_count == 1
        assert await bench.add(2, 3) == 5
        assert await bench.level == 1
        assert [item async for item in bench.count(3)] == [0, 1, 2]
        assert isinstance(bench, AsyncProxy)
        async with connected_async(AsyncAdder, uri) as other:
            assert await asyncio.create_task(_coroutine(other)) == 5
        host.wait_for_client_gone()

    async def _coroutine(bench: AsyncAdder) -> Any:
        return await bench.add(2, 3)

    asyncio.run(main())


def test_what_the_object_lacks_is_named_for_asyncio_as_well(
    uri: str, host: HostThread
) -> None:
    class Wrong(Protocol):
        async def echoo(self) -> None: ...

    with pytest.raises(TypeError, match=r"no method 'echoo' \(did you mean 'echo'"):
        asyncio.run(connect_async(Wrong, uri))
    host.wait_for_client_gone()


@pytest.mark.parametrize("member", ["method", "generator", "stream", "value", "text"])
def test_a_class_for_asyncio_is_refused_where_results_come_at_once(
    uri: str, host: HostThread, member: str
) -> None:
    class Method(Protocol):
        async def add(self) -> int: ...

    class Generator:
        async def add(self) -> AsyncIterator[int]:
            yield 1

    class Stream(Protocol):
        def add(self) -> AsyncIterator[int]: ...

    class Value(Protocol):
        @property
        def add(self) -> Awaitable[int]: ...

    class Text(Protocol):
        add: Awaitable[Nowhere]  # type: ignore[name-defined] # noqa: F821 - only checkers would import it

    classes: dict[str, Any] = {
        "method": Method,
        "generator": Generator,
        "stream": Stream,
        "value": Value,
        "text": Text,
    }
    with pytest.raises(TypeError, match=r"add has to be awaited.*use connect_async"):
        connect(classes[member], uri)
    assert host.connection_count == 0


@pytest.mark.parametrize("member", ["method", "stream", "value", "variable"])
def test_a_class_with_direct_results_is_refused_where_they_are_awaited(
    uri: str, host: HostThread, member: str
) -> None:
    class Method(Protocol):
        def add(self) -> int: ...

    class Stream(Protocol):
        def add(self) -> Iterator[int]: ...

    class Value(Protocol):
        @property
        def add(self) -> int: ...

    class Variable(Protocol):
        add: int

    classes: dict[str, Any] = {
        "method": Method,
        "stream": Stream,
        "value": Value,
        "variable": Variable,
    }
    with pytest.raises(TypeError, match=r"add has a result.*await.*use connect,"):
        asyncio.run(connect_async(classes[member], uri))
    assert host.connection_count == 0


def test_a_class_without_annotations_says_nothing_wrong(uri: str) -> None:
    class Silent:
        def add(self, a, b): ...  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202 - this is the point

        def echo(self, value: Any) -> Any: ...

    async def main() -> Any:
        bench: Any = await connect_async(Silent, uri)
        return await bench.add(1, 2), await bench.echo(3)

    bench: Any = connect(Silent, uri)
    assert bench.add(1, 2) == 3
    assert asyncio.run(main()) == (3, 3)
