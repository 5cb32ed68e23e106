"""What no test may leave to the next one, whichever that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_protocol.config import config
from pyro_protocol.context import call_state

if TYPE_CHECKING:
    from collections.abc import Iterator


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
