"""The factory: what received references become where pyro-client is installed."""

from __future__ import annotations

import pytest

from pyro_client import Proxy
from pyro_client.factory import make_proxy
from pyro_protocol import references
from pyro_protocol.errors import PyroError, SerializeError
from pyro_protocol.references import ProxyState
from pyro_protocol.serializers import serializers

STATE = ProxyState(
    "PYRO:bench@localhost:1",
    oneway=frozenset({"note"}),
    methods=frozenset({"add", "note"}),
    attributes=frozenset({"level"}),
    handshake={"user": "sue"},
    serializer="json",
)


def test_a_reference_becomes_an_unconnected_proxy_with_all_that_travelled() -> None:
    proxy = make_proxy(STATE)
    assert type(proxy) is Proxy
    assert proxy._pyroConnection is None
    assert str(proxy._pyroUri) == "PYRO:bench@localhost:1"
    assert proxy._pyroMethods == {"add", "note"}
    assert proxy._pyroOneway == {"note"}
    assert proxy._pyroAttrs == {"level"}
    assert proxy._pyroHandshake == {"user": "sue"}
    assert proxy._pyroSerializer == "json"
    assert proxy._pyroSeq == 0


def test_the_protocol_finds_the_factory_by_itself() -> None:
    assert type(references.make_proxy(STATE)) is Proxy


@pytest.mark.parametrize("name", ["native", "serpent", "json", "msgpack"])
def test_a_proxy_travels_as_the_reference_it_was_made_of(name: str) -> None:
    serializer = serializers[name]
    proxy = make_proxy(STATE)
    restored = serializer.loads(serializer.dumps({"here": [proxy]}))["here"][0]
    assert type(restored) is Proxy
    assert restored == proxy
    assert restored._pyro_state_() == proxy._pyro_state_()


@pytest.mark.parametrize(
    "uri", ["PYRONAME:house.bench", "PYROMETA:oak,wood", "PYRO:bench@./u:/tmp/x"]
)
def test_references_may_have_any_kind_of_uri(uri: str) -> None:
    assert str(make_proxy(ProxyState(uri))._pyroUri) == uri


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(("nonsense", (), (), (), "hello", None), id="bad uri"),
        pytest.param(("PYRO:a@b:1", 5, (), (), "hello", None), id="bad names"),
        pytest.param(("PYRO:a@b:1", [[]], (), (), "hello", None), id="unhashable name"),
        pytest.param(("PYRO:a@b:1", ()), id="too short"),
        pytest.param((None, (), (), (), "hello", None), id="no uri"),
        pytest.param((), id="empty"),
        pytest.param("PYRO:a@b:1", id="text"),
    ],
)
@pytest.mark.parametrize("name", ["serpent", "json", "msgpack"])
def test_a_malformed_reference_is_refused_when_it_is_decoded(
    name: str, state: object
) -> None:
    data = {"__class__": "Pyro5.client.Proxy", "state": state}
    serializer = serializers[name]
    with pytest.raises((SerializeError, PyroError)):
        serializer.loads(serializer.dumps(data))
