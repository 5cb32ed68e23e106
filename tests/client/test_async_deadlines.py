"""Whoever notices first that the time is used up: the error tells what was called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_client import AsyncProxy, with_timeout
from pyro_protocol.errors import TimeoutError  # noqa: A004 - the documented name
from pyro_protocol.wire import FLAG_EXCEPTION
from support.event_loops import run
from support.hosting import DEADLINE
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from support.workbench import Workbench

SHORT = 0.15


def test_a_time_out_that_the_server_tells_names_the_call_too() -> None:
    def script(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), TimeoutError("too late"), flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    async def main() -> None:
        with ScriptedServer(script) as server:
            async with AsyncProxy(server.uri) as proxy:
                view = with_timeout(proxy, DEADLINE)
                with pytest.raises(TimeoutError, match=r"too late: thing\.slow\(\) "):
                    await view.slow()

    run(main)


def test_a_view_of_a_proxy_has_another_time_limit(uri: str, bench: Workbench) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            proxy._pyroTimeout = DEADLINE
            hasty = with_timeout(proxy, SHORT)
            with pytest.raises(TimeoutError, match=r"bench\.slow .*0\.15 seconds"):
                await hasty.slow()
            assert hasty._pyroTimeout == SHORT
            assert proxy._pyroTimeout == DEADLINE
            bench.release.set()
            assert await proxy.slow() == "finally"

    run(main)
