"""Fixtures for pytest: a daemon, a name server, and a check for what is left behind.

PYTEST_DONT_REWRITE: it has no assertions, and pytest would warn if it was imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_naming import StartedNameServer
    from pyro_server import Daemon

    from .leaks import Leaks

__all__ = ["pyro_daemon", "pyro_leaks", "pyro_name_server"]

# What they need is imported when one is used, as most tests of most users do without.


@pytest.fixture
def pyro_leaks() -> Iterator[Leaks]:
    """Fails the test if it leaves threads, sockets or connections behind."""
    from .leaks import Leaks  # noqa: PLC0415 - see above

    leaks = Leaks()
    yield leaks
    leaks.wait_until_nothing_is_left()


@pytest.fixture
def pyro_daemon(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    """A daemon that runs, on a free port of this machine; register objects with it."""
    from pyro_server import Daemon  # noqa: PLC0415 - see above

    from .joining import running  # noqa: PLC0415 - see above

    _look_for_leaks_first(request)
    with Daemon(host="127.0.0.1") as daemon, running(daemon):
        yield daemon


@pytest.fixture
def pyro_name_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StartedNameServer]:
    """A name server of the test's own, which this process and its children find.

    It is on a free port of this machine and keeps names in memory. ``config.NS_HOST``,
    ``config.NS_PORT`` and their environment variables lead to it while the test runs.
    """
    from pyro_naming import start_ns  # noqa: PLC0415 - see above
    from pyro_protocol import config  # noqa: PLC0415 - see above

    _look_for_leaks_first(request)
    started = start_ns("127.0.0.1", 0, enableBroadcast=False, storage="memory")
    try:
        monkeypatch.setattr(config, "NS_HOST", started.uri.host)
        monkeypatch.setattr(config, "NS_PORT", started.uri.port)
        monkeypatch.setenv("PYRO_NS_HOST", str(started.uri.host))
        monkeypatch.setenv("PYRO_NS_PORT", str(started.uri.port))
        yield started
    finally:
        started.daemon.close()


def _look_for_leaks_first(request: pytest.FixtureRequest) -> None:
    """Have the check, if there is one, see the end of the fixture that asks."""
    if "pyro_leaks" in request.fixturenames:
        request.getfixturevalue("pyro_leaks")
