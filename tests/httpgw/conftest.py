"""A site to be called through the gateway, and a gateway that calls it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw.background import BackgroundGateway
from pyro_httpgw.messages import Request, Response
from pyro_httpgw.settings import Settings
from support.web import NAME, Site

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def site() -> Iterator[Site]:
    """A name server and a daemon with a thermostat."""
    with Site() as site:
        yield site


class Visitor:
    """Somebody who sends requests to a gateway.

    Attributes:
        settings: what the gateway is told with each request.
        client: the address that they come from.
    """

    def __init__(self, gateway: BackgroundGateway) -> None:
        self._gateway = gateway
        self.settings = Settings(re.compile(r"http\."))
        self.client = "192.0.2.1"

    def ask(
        self,
        path: str,
        query: str = "",
        *,
        method: str = "GET",
        body: bytes = b"",
        **headers: str,
    ) -> Response:
        """Return the answer to a request; underscores in header names are dashes."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, path, query, fields, body, client=self.client)
        return self._gateway.respond(request, self.settings)

    def call(self, member: str, query: str = "") -> Any:
        """Return the result of a call of the thermostat that succeeds."""
        response = self.ask(f"/pyro/{NAME}/{member}", query)
        assert response.status == 200, response
        return json.loads(response.body)


@pytest.fixture
def visitor(site: Site) -> Iterator[Visitor]:
    """Somebody who sends requests to a gateway that finds the site."""
    gateway = BackgroundGateway(site.config)
    yield Visitor(gateway)
    site.thermostat.release.set()
    gateway.close()
