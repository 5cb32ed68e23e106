"""Calls of our proxies to daemons and to the name server of the real Pyro4."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import AsyncProxy, BatchProxy, Proxy, current_context
from pyro_protocol import URI, Configuration, locate_ns, resolve
from pyro_protocol.errors import CommunicationError, NamingError, ProtocolError
from support.daemons import eventually
from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parent / "programs" / "old_server.py"
TARGET = "example.target"


def settings(**items: Any) -> Configuration:
    return Configuration({"PYRO4_SERVERS": True, **items}, use_environment=False)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    with Program(PROGRAM, TARGET, python=pyro5_python()) as program:
        found = program.wait_for("^location (.*) ([0-9]+)$")
        yield f"PYRO:{TARGET}@{found[1]}", int(found[2])


@pytest.mark.parametrize(
    "serializer", ["auto", "serpent", "json", "marshal", "msgpack", "pickle"]
)
def test_our_proxy_calls_a_pyro4_daemon(
    server: tuple[str, int], serializer: str
) -> None:
    with Proxy(server[0], config=settings(SERIALIZER=serializer)) as proxy:
        assert proxy.add(1, b=2) == 3
        assert len(proxy.echo("x" * 300_000)) == 300_000
        assert proxy.level == 3
        proxy.level = 5
        assert proxy.level == 5
        proxy.level = 3
        with pytest.raises(ValueError, match="text") as caught:
            proxy.fail("text")
        assert caught.value.args == ("text", 7)
        assert any("in fail" in line for line in caught.value._pyroTraceback)  # type: ignore[attr-defined]
        with pytest.raises(NamingError, match="no such name"):
            proxy.fail_with_pyro_error()
        assert proxy.uri() == URI("PYRO:some@example.org:1234")
        assert proxy.type_of(URI("PYRO:a@h:1")) == "Pyro4.core.URI PYRO:a@h:1"
        assert proxy.type_of(NamingError("n")) == "Pyro4.errors.NamingError n"
        assert proxy.type_of(proxy).startswith("Pyro4.core.Proxy ")
        assert [*proxy.count_up(4)] == [0, 1, 2, 3]
        proxy.notify(serializer)
        eventually(lambda: serializer in proxy.notes())
        batch = BatchProxy(proxy)
        batch.add(1)
        batch.add(2)
        assert [*batch()] == [11, 12]
        number = current_context.correlation_id = uuid.uuid4()
        try:
            assert proxy.correlation() == str(number)
        finally:
            current_context.correlation_id = None


def test_a_proxy_that_comes_from_such_a_server_leads_there(
    server: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What comes in a message has the global settings.
    from pyro_protocol import config

    monkeypatch.setattr(config, "PYRO4_SERVERS", True)
    with Proxy(server[0]) as proxy, proxy.child() as child:
        assert child.hello() == "hello from the child"


def test_our_asynchronous_proxy_calls_a_pyro4_daemon(server: tuple[str, int]) -> None:
    async def calls() -> tuple[Any, ...]:
        async with AsyncProxy(server[0], config=settings()) as proxy:
            items = [item async for item in await proxy.count_up(3)]
            return await proxy.add(1), await proxy.level, items

    assert asyncio.run(calls()) == (11, 3, [0, 1, 2])


def test_answers_may_be_compressed(server: tuple[str, int]) -> None:
    with Proxy(server[0], config=settings(COMPRESSION=True)) as proxy:
        assert proxy.echo("x" * 10_000) == "x" * 10_000


def test_limits_hold(server: tuple[str, int]) -> None:
    with Proxy(server[0], config=settings(MAX_MESSAGE_SIZE=2000)) as proxy:
        with pytest.raises(ProtocolError, match="too large"):
            proxy.echo("x" * 3000)
        assert proxy.add(1) == 11


def test_without_the_setting_the_protocol_is_refused(server: tuple[str, int]) -> None:
    with (
        Proxy(server[0], config=Configuration(use_environment=False)) as proxy,
        pytest.raises(ProtocolError, match="invalid protocol version: 48"),
    ):
        proxy.add(1)


def test_the_name_server_of_pyro4_is_used_as_any(server: tuple[str, int]) -> None:
    config = settings(NS_HOST="127.0.0.1", NS_PORT=server[1])
    with locate_ns("127.0.0.1", server[1], config=config) as names:
        names.register("a.b", server[0], metadata={"tag"})
        assert str(names.lookup("a.b")) == server[0]
        assert names.lookup("a.b", return_metadata=True)[1] == {"tag"}
        assert names.list(prefix="a.") == {"a.b": server[0]}
        with pytest.raises(NamingError):
            names.lookup("nobody")
        assert str(resolve("PYRONAME:a.b", config=config)) == server[0]
        with Proxy("PYRONAME:a.b", config=config) as proxy:
            assert proxy.add(1) == 11
        assert names.remove("a.b") == 1


def test_a_key_opens_a_server_that_has_it() -> None:
    with Program(PROGRAM, TARGET, "the key", python=pyro5_python()) as program:
        uri = f"PYRO:{TARGET}@{program.wait_for('^location (.*) [0-9]+$')[1]}"
        with Proxy(uri, config=settings(PYRO4_HMAC_KEY="the key")) as proxy:
            assert proxy.add(1) == 11
        for key, text in (("another", "the keys differ"), ("", "no HMAC key here")):
            with Proxy(uri, config=settings(PYRO4_HMAC_KEY=key)) as proxy:
                with pytest.raises(CommunicationError, match=text) as caught:
                    proxy.add(1)
                assert caught.value.outcome == "not_sent"
