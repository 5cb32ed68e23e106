from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_naming.access import AccessRules
from pyro_naming.rights import Rights
from pyro_protocol.authentication import hash_token
from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import ClientConnection, Identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPEN = f'[clients.bob]\ntoken = "{hash_token("the token of bob")}"\n'
CLOSED = f'{OPEN}\n[[rules]]\nprefix = "lab."\nlookup = []\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "access.toml"
    path.write_text(OPEN, "utf-8")
    return path


@pytest.fixture(autouse=True)
def request_of_bob() -> Iterator[None]:
    """A call that a client makes."""
    client = ClientConnection(("10.0.0.1", 4444))
    client.identity = Identity("bob")
    token = call_state.set(CallState(client, 1, 0, 1, {}, None))
    yield
    call_state.reset(token)


def test_who_may_see_all_is_asked_for_no_name(path: Path) -> None:
    assert Rights(access=AccessRules.from_file(path)).view() is None


def test_what_a_client_goes_on_to_see_follows_the_rules(path: Path) -> None:
    access = AccessRules.from_file(path)
    view = Rights(access=access).view(lasting=True)
    assert view is not None
    assert view("lab.one")
    path.write_text(CLOSED, "utf-8")
    access.reload()
    assert not view("lab.one")
    assert view("other")
