"""A gateway in an event loop of its own."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

from pyro_httpgw.background import BackgroundGateway
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings
from support.web import NAME, Site

SETTINGS = Settings(re.compile(""))


def test_threads_share_it(site: Site) -> None:
    gateway = BackgroundGateway(site.config)
    requests = [Request("GET", f"/pyro/{NAME}/echo", f"value={n}") for n in range(50)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda one: gateway.respond(one, SETTINGS), requests))
    assert [answer.body for answer in answers] == [b'"%d"' % n for n in range(50)]
    gateway.close()


def test_closing_it_leaves_nothing_behind(site: Site) -> None:
    before = set(threading.enumerate())
    gateway = BackgroundGateway(site.config)
    gateway.respond(Request("GET", f"/pyro/{NAME}/heat"), SETTINGS)
    gateway.close()
    assert set(threading.enumerate()) <= before
    for host in (site.daemon, site.name_server):
        host.wait_for_client_gone()
        assert host.call(lambda host=host: host.connection_count) == 0  # type: ignore[misc] # bound in the loop
