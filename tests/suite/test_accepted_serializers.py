"""Servers that accept some serializers only, and clients that choose for themselves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pyro_client import AsyncProxy, Proxy
from pyro_protocol import Configuration, expose
from pyro_server import Daemon
from support.daemons import serving


@expose
class Adder:
    def add(self, a: Any, b: Any) -> Any:
        return a + b


@pytest.mark.parametrize("servertype", ["thread", "multiplex"])
def test_the_native_format_is_not_agreed_on_where_it_is_not_accepted(
    servertype: str,
) -> None:
    config = Configuration(use_environment=False)
    config.SERVERTYPE = servertype
    config.SERIALIZERS_ACCEPTED = ["serpent", "json"]

    async def add(uri: Any) -> Any:
        async with AsyncProxy(uri) as proxy:
            return await proxy.add(3, 4)

    with serving(Daemon(host="127.0.0.1", config=config)) as daemon:
        uri = daemon.register(Adder())
        with Proxy(uri) as proxy:
            assert proxy.add(1, 2) == 3
            proxy._pyroSerializer = "json"
            assert proxy.add(2, 3) == 5
        assert asyncio.run(add(uri)) == 7
