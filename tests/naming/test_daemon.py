from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from pyro_naming import AsyncNameServerDaemon, NameServerDaemon, locate_ns
from pyro_protocol import Configuration
from pyro_protocol.errors import CommunicationError, NamingError
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable


def test_it_serves_from_the_start(daemon: NameServerDaemon, port: int) -> None:
    with locate_ns("127.0.0.1", port) as names:
        names.register("name", "PYRO:a@h:1")
    assert daemon.nameserver.count() == 2
    assert daemon.locationStr == f"127.0.0.1:{port}"
    assert daemon.natLocationStr is None
    assert daemon.sock is not None
    assert repr(daemon) == f"<NameServerDaemon at 127.0.0.1:{port}, serving>"


def test_it_knows_the_uri_of_the_name_server_and_of_any_id(
    daemon: NameServerDaemon, port: int
) -> None:
    assert str(daemon.uriFor("thing")) == f"PYRO:thing@127.0.0.1:{port}"
    assert daemon.uriFor(daemon.nameserver) == daemon.uriFor("Pyro.NameServer")


@pytest.mark.parametrize(
    "end",
    [NameServerDaemon.shutdown, NameServerDaemon.close],
    ids=["shutdown", "close"],
)
def test_a_waiting_request_loop_ends_with_the_server(
    daemon: NameServerDaemon, port: int, end: Callable[[NameServerDaemon], None]
) -> None:
    waiting = threading.Thread(target=daemon.requestLoop)
    waiting.start()
    end(daemon)
    waiting.join(DEADLINE)
    assert not waiting.is_alive()
    assert "closed" in repr(daemon)
    with pytest.raises(NamingError):
        locate_ns("127.0.0.1", port)
    end(daemon)


def test_a_request_loop_ends_when_its_condition_does(port: int) -> None:
    settings = Configuration(use_environment=False)
    settings.POLLTIMEOUT = 0
    inner = AsyncNameServerDaemon("127.0.0.1", 0, config=settings)
    with NameServerDaemon(inner, config=settings) as daemon:
        answers = iter([True, True, False])
        daemon.requestLoop(loopCondition=lambda: next(answers))
        assert list(answers) == []
        assert "serving" in repr(daemon)


def test_what_prevents_the_start_is_raised_where_it_was_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        inner = AsyncNameServerDaemon("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(CommunicationError, match="cannot listen"):
            NameServerDaemon(inner)
    names = {thread.name for thread in threading.enumerate()}
    assert "pyro name server" not in names
