from __future__ import annotations

import gc
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import ProxyState, references
from pyro_protocol.errors import PyroError, SerializeError
from pyro_protocol.references import (
    PROXY_FACTORY_GROUP,
    add_reference_provider,
    make_proxy,
    reference_of,
    set_proxy_factory,
)
from pyro_protocol.serializers import serializers

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE = ProxyState(
    "PYRO:thing@localhost:4444",
    oneway=frozenset({"note"}),
    methods=frozenset({"note", "add"}),
    attributes=frozenset({"level"}),
    handshake=("user", "me"),
    serializer="json",
)


class Thing:
    pass


class Provider:
    """Knows one object under one URI."""

    def __init__(self, obj: object, uri: str, lease: str | None = None) -> None:
        self._obj = obj
        self._state = ProxyState(uri, lease=lease)

    def reference_of(self, obj: object) -> ProxyState | None:
        return self._state if obj is self._obj else None


@pytest.fixture(autouse=True)
def _own_factory() -> Iterator[None]:
    """Decode references to plain states, whatever is installed."""
    before = list(references._factories)
    set_proxy_factory(lambda state: state)
    yield
    references._factories[:] = before


class TestProxyState:
    def test_it_survives_the_form_in_which_it_travels(self) -> None:
        state = STATE._pyro_state_()

        assert state == (
            "PYRO:thing@localhost:4444",
            ("note",),
            ("add", "note"),
            ("level",),
            ("user", "me"),
            "json",
        )
        assert ProxyState.from_state(state) == STATE

    def test_the_additional_value_of_other_languages_is_ignored(self) -> None:
        assert ProxyState.from_state((*STATE._pyro_state_(), "more")) == STATE

    @pytest.mark.parametrize("name", ["add", "level"])
    def test_using_it_tells_what_to_install(self, name: str) -> None:
        with pytest.raises(PyroError, match=f"'{name}'.*install pyro-client"):
            getattr(STATE, name)

    def test_other_attributes_do_not_exist(self) -> None:
        with pytest.raises(AttributeError, match="'nothing'"):
            STATE.nothing  # noqa: B018 - the point
        assert "PYRO:thing@localhost:4444" in repr(STATE)

    @pytest.mark.parametrize("name", ["serpent", "json", "msgpack", "native"])
    def test_every_serializer_carries_it(self, name: str) -> None:
        serializer = serializers[name]
        state = ProxyState(
            STATE.uri, STATE.oneway, STATE.methods, STATE.attributes, "hello", "json"
        )

        assert serializer.loads(serializer.dumps([state])) == [state]

    def test_the_uri_of_a_received_one_is_checked(self) -> None:
        data = serializers["json"].dumps(
            {
                "__class__": "Pyro5.client.Proxy",
                "state": ["no uri", [], [], [], "hello", None],
            }
        )

        with pytest.raises(SerializeError, match="no uri"):
            serializers["json"].loads(data)


class TestProviders:
    def test_a_registered_object_is_known_by_its_provider(self) -> None:
        thing = Thing()
        provider = Provider(thing, "PYRO:thing@h:1")
        add_reference_provider(provider)

        assert reference_of(thing) == ProxyState("PYRO:thing@h:1")
        assert reference_of(Thing()) is None

    def test_of_two_providers_the_latest_answers(self) -> None:
        thing = Thing()
        first, second = Provider(thing, "PYRO:a@h:1"), Provider(thing, "PYRO:b@h:1")
        add_reference_provider(first)
        add_reference_provider(second)

        assert reference_of(thing) == ProxyState("PYRO:b@h:1")
        del second
        gc.collect()
        assert reference_of(thing) == ProxyState("PYRO:a@h:1")

    def test_providers_that_are_gone_are_forgotten(self) -> None:
        add_reference_provider(Provider(Thing(), "PYRO:a@h:1"))
        gc.collect()
        add_reference_provider(provider := Provider(Thing(), "PYRO:b@h:1"))

        alive = [one() for one in references._providers]
        assert provider in alive
        assert None not in alive

    def test_a_registered_object_travels_as_a_reference(self) -> None:
        thing = Thing()
        provider = Provider(thing, "PYRO:thing@h:1")
        add_reference_provider(provider)

        for name in ("serpent", "json", "msgpack", "native"):
            serializer = serializers[name]
            assert serializer.loads(serializer.dumps({"it": thing})) == {
                "it": ProxyState("PYRO:thing@h:1")
            }

    def test_only_native_tells_how_a_leased_object_is_given_back(self) -> None:
        thing = Thing()
        state = ProxyState("PYRO:thing@h:1", lease="0123456789abcdef:12")
        provider = Provider(thing, state.uri, lease=state.lease)
        add_reference_provider(provider)

        for name in ("serpent", "json", "msgpack", "marshal"):
            plain = replace(state, lease=None)
            assert serializers[name].dumps(thing) == serializers[name].dumps(plain)
        native = serializers["native"]
        received = native.loads(native.dumps(thing))
        assert received == state
        # Whom it is passed on to is told nothing of it.
        assert native.loads(native.dumps(received)).lease is None

    @pytest.mark.parametrize(
        "more", ["", ":", "abc", "abc:", "abc:x", "ABC:1", 1, None]
    )
    def test_what_is_no_name_and_number_says_nothing_of_a_lease(
        self, more: object
    ) -> None:
        assert ProxyState.from_state((*STATE._pyro_state_(), more)).lease is None


class TestFactory:
    def test_references_are_decoded_by_the_factory(self) -> None:
        made: list[Any] = []

        def factory(state: ProxyState) -> str:
            made.append(state)
            return "proxy"

        set_proxy_factory(factory)
        serializer = serializers["serpent"]

        assert serializer.loads(serializer.dumps(STATE)) == "proxy"
        assert made[0].uri == STATE.uri

    def test_the_installed_factory_is_found_when_it_is_needed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []

        def entry_points(*, group: str) -> list[Any]:
            asked.append(group)
            return [EntryPoint(ImportError("half installed")), EntryPoint(None)]

        monkeypatch.setattr("importlib.metadata.entry_points", entry_points)
        references._factories.clear()

        assert make_proxy(STATE) == ("made", STATE)
        assert make_proxy(STATE) == ("made", STATE)
        assert asked == [PROXY_FACTORY_GROUP]

    def test_without_a_client_package_the_state_stays_what_it_is(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        broken = EntryPoint(ImportError("half installed"))
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [broken])
        references._factories.clear()

        with caplog.at_level(logging.ERROR):
            assert make_proxy(STATE) is STATE

        assert "cannot load the proxy factory" in caplog.text


class EntryPoint:
    value = "package:factory"

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    def load(self) -> Any:
        if self._error is not None:
            raise self._error
        return lambda state: ("made", state)
