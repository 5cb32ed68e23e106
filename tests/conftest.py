"""What no test may leave to the next one, whichever that is."""

from __future__ import annotations

import gc
import signal
from typing import TYPE_CHECKING

import pytest

from pyro_protocol.config import config
from pyro_protocol.context import call_state

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_configure() -> None:
    """Have programs end by signals also in a run started with ``nohup`` or ``&``.

    What such a run ignores, every program that a test starts would ignore.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is signal.SIG_IGN:
        signal.signal(hangup, signal.SIG_DFL)


@pytest.fixture(autouse=True, scope="module")
def _what_stays_is_not_searched() -> None:
    """Have `gc.collect` look only at what has come since, as hundreds of tests ask for.

    With all test modules in one process it takes most of a second otherwise.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_of_another_test() -> Iterator[None]:
    """Begins with a context that nobody has used: what is in one goes with calls.

    That of a request stays in its thread until the next one; hosts see to it, but
    tests of sessions do without a host. Settings are to be what they were.
    """
    call_state.set(None)
    before = config.as_dict()
    yield
    call_state.set(None)
    assert config.as_dict() == before, "the settings of the program were changed"
