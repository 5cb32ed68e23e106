from __future__ import annotations

import pickle
from typing import Any

import pytest

from pyro_protocol.dispatch import ClientConnection, Identity


def test_an_identity_has_a_name_roles_and_details() -> None:
    identity = Identity("bob", ["admin", "user"], {"number": 7})

    assert identity.name == "bob"
    assert identity.roles == {"admin", "user"}
    assert identity.details["number"] == 7
    assert Identity("bob").roles == frozenset()
    assert Identity("bob").details == {}


def test_details_are_not_shown() -> None:
    text = repr(Identity("bob", {"user"}, {"secret": "hunter2"}))

    assert "bob" in text
    assert "hunter2" not in text


def test_an_identity_can_be_compared_and_hashed_but_not_changed() -> None:
    one, same = Identity("bob", {"user"}), Identity("bob", ["user"])

    assert one == same
    assert hash(one) == hash(same)
    assert hash(Identity("bob", (), {"list": []}))
    with pytest.raises(AttributeError):
        one.name = "eve"  # type: ignore[misc] # the mistake under test


@pytest.mark.parametrize("details", [{}, {"room": "hall"}])
def test_an_identity_can_be_handed_to_a_worker_process(details: Any) -> None:
    one = Identity("bob", {"user"}, details) if details else Identity("bob", {"user"})

    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize("roles", ["admin", [5], [None]])
def test_roles_that_are_not_a_collection_of_texts_are_refused(roles: Any) -> None:
    with pytest.raises(TypeError, match="role"):
        Identity("bob", roles)


def test_a_client_that_is_known_is_shown_by_its_name_too() -> None:
    client = ClientConnection(("10.0.0.1", 4444))
    assert client.identity is None
    client.identity = Identity("bob")

    assert repr(client) == "<client 'bob' at 10.0.0.1:4444>"
