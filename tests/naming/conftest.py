"""A running name server for the tests of what surrounds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_naming import start_ns
from support.programs import NO_USER_DATA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_naming import NameServerDaemon


@pytest.fixture(autouse=True)
def no_user_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the commands from the names that the user of this machine has kept."""
    for variable, nowhere in NO_USER_DATA.items():
        monkeypatch.setenv(variable, nowhere)


@pytest.fixture
def daemon() -> Iterator[NameServerDaemon]:
    """A name server on the loopback interface."""
    with start_ns("127.0.0.1", 0).daemon as daemon:
        yield daemon


@pytest.fixture
def port(daemon: NameServerDaemon) -> int:
    """The port of `daemon`."""
    return int(daemon.locationStr.rpartition(":")[2])
