from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from pyro_protocol.dispatch import ClientConnection
from support.hosting import DEADLINE


class Resource:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.closed = 0

    def close(self) -> None:
        self.closed += 1
        if self.error is not None:
            raise self.error


class Encrypted:
    def getpeercert(self) -> dict[str, str]:
        return {"serialNumber": "1"}


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("10.0.0.1", 4444), "10.0.0.1:4444"),
        (("::1", 4444, 0, 0), "[::1]:4444"),
        ("/tmp/a.sock", "/tmp/a.sock"),
        (b"\0abstract", "\0abstract"),
        (b"\xff", "\\xff"),
        ("", "local"),
        (b"", ""),
        (None, "local"),
    ],
)
def test_a_client_is_shown_by_its_address(address: Any, text: str) -> None:
    assert repr(ClientConnection(address)) == f"<client {text}>"


def test_tracked_resources_are_closed_once_though_one_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = ClientConnection()
    good, bad = Resource(), Resource(OSError("no"))
    client.tracked_resources.add(bad)
    client.tracked_resources.add(good)

    with caplog.at_level(logging.ERROR):
        client.release()
    client.release()

    assert (good.closed, bad.closed) == (1, 1)
    assert "closing a resource" in caplog.text


def test_the_certificate_of_the_peer_is_that_of_its_socket() -> None:
    assert ClientConnection(sock=Encrypted()).getpeercert() == {"serialNumber": "1"}
    assert ClientConnection(sock=object()).getpeercert() is None
    assert ClientConnection().getpeercert() is None


def test_two_requests_that_begin_to_hold_something_lose_none_of_it() -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(300):
                client, together = ClientConnection(), Barrier(2)

                def hold(
                    name: str,
                    client: ClientConnection = client,
                    together: Barrier = together,
                ) -> None:
                    together.wait(DEADLINE)
                    client.streams.add(name)

                list(pool.map(hold, ("one", "other")))
                assert client.streams == {"one", "other"}
    finally:
        sys.setswitchinterval(before)
