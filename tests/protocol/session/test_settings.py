from __future__ import annotations

import pytest

from pyro_protocol import Configuration
from pyro_protocol.serializers import serializers
from pyro_protocol.session import SessionSettings


@pytest.fixture
def config() -> Configuration:
    return Configuration(use_environment=False)


def test_the_defaults_are_those_of_the_configuration(config: Configuration) -> None:
    assert SessionSettings.from_config(config) == SessionSettings()


def test_everything_is_taken_from_the_configuration(config: Configuration) -> None:
    config.MAX_MESSAGE_SIZE = 20_000
    config.HANDSHAKE_MESSAGE_SIZE = 1000
    config.MAX_ANNOTATIONS = 5
    config.COMPRESSION = True
    config.LOGWIRE = True
    config.SERIALIZERS_ACCEPTED = ["json", "marshal"]

    assert SessionSettings.from_config(config) == SessionSettings(
        max_message_size=20_000,
        handshake_message_size=1000,
        max_annotations=5,
        compress=True,
        log_wire=True,
        accepted_serializers=frozenset({2, 3}),
    )


def test_marshal_is_not_accepted_by_default() -> None:
    assert serializers["marshal"].id not in SessionSettings().accepted_serializers


def test_a_handshake_may_not_be_larger_than_any_other_message(
    config: Configuration,
) -> None:
    config.MAX_MESSAGE_SIZE = 1000

    assert SessionSettings.from_config(config).handshake_message_size == 1000


def test_later_changes_of_the_configuration_are_not_noticed(
    config: Configuration,
) -> None:
    settings = SessionSettings.from_config(config)
    config.SERIALIZERS_ACCEPTED.append("marshal")

    assert serializers["marshal"].id not in settings.accepted_serializers


def test_a_list_that_was_changed_in_its_place_is_noticed_the_next_time(
    config: Configuration,
) -> None:
    before = SessionSettings.from_config(config)
    config.SERIALIZERS_ACCEPTED.append("marshal")
    changed = SessionSettings.from_config(config)
    config.SERIALIZERS_ACCEPTED.remove("marshal")

    assert changed.accepted_serializers - before.accepted_serializers == {
        serializers["marshal"].id
    }
    assert SessionSettings.from_config(config) == before


def test_what_configurations_differ_in_their_settings_do(
    config: Configuration,
) -> None:
    other = config.copy()
    other.COMPRESSION = True

    assert SessionSettings.from_config(config).plain
    assert not SessionSettings.from_config(other).plain
    assert SessionSettings.from_config(config).plain


def test_an_unknown_serializer_is_named_with_those_there_are(
    config: Configuration,
) -> None:
    config.SERIALIZERS_ACCEPTED.append("yaml")

    with pytest.raises(
        ValueError, match=r"unknown serializers: yaml; known: .*serpent"
    ):
        SessionSettings.from_config(config)


@pytest.mark.parametrize("window", [0, -1, 65536])
def test_a_window_has_to_fit_the_sequence_numbers(window: int) -> None:
    with pytest.raises(ValueError, match="1 to 65535"):
        SessionSettings(max_in_flight=window)
