"""Name servers in event loops of several kinds."""

from __future__ import annotations

import pytest

from pyro_naming import AsyncNameServerDaemon
from pyro_protocol import Configuration
from pyro_protocol.naming import AsyncNameServerClient
from support.event_loops import run

LAMP = "PYRO:lamp@lab1:4444"


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_name_server_runs_in_any_event_loop(kind: str) -> None:
    config = Configuration(use_environment=False)

    async def use() -> list[str]:
        kinds: list[str] = []
        async with AsyncNameServerDaemon("127.0.0.1", 0, config=config) as daemon:
            names = AsyncNameServerClient(daemon.uri, config=config)
            # More than fits into what is received at a time.
            tags = {f"{number:05}" * 100 for number in range(900)}
            await names.register("lab.lamp", LAMP, metadata=tags)
            uri, found = await names.lookup("lab.lamp", return_metadata=True)
            assert (str(uri), found) == (LAMP, tags)
            async with names.watch("lab.", existing=True) as changes:
                async for change in changes:
                    kinds.append(change.kind)
                    if change.kind == "removed":
                        break
                    await names.remove("lab.lamp")
            await names._pyroRelease()
        return kinds

    assert run(use, kind) == ["known", "removed"]
