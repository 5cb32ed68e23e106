"""MAX_NESTING holds for what a server and a client read."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.conversation import Conversation, Server
from pyro_protocol import Configuration, expose
from pyro_protocol.errors import SerializeError
from pyro_protocol.session import SessionSettings, read_reply
from pyro_protocol.wire import Frame

NAMES = ["serpent", "json", "msgpack", "native"]


@expose
class Receiver:
    def take(self, value: Any) -> object:
        return value


def server(settings: SessionSettings | None = None) -> Server:
    result = Server(settings)
    result.register(Receiver(), "example.target")
    return result


def strict() -> SessionSettings:
    config = Configuration(use_environment=False)
    config.MAX_NESTING = 5
    return SessionSettings.from_config(config)


@pytest.mark.parametrize("name", NAMES)
def test_the_configured_depth_holds_for_calls(name: str) -> None:
    line = Conversation(server(strict()), serializer=name, capabilities=["native"])
    assert line.call("take", [[]]) == [[]]
    with pytest.raises(SerializeError, match="deeper than 5"):
        line.call("take", [[[[]]]])
    assert line.call("take", [[]]) == [[]]


@pytest.mark.parametrize("name", NAMES)
def test_the_configured_depth_holds_for_answers(name: str) -> None:
    line = Conversation(
        server(), serializer=name, capabilities=["native"], settings=strict()
    )
    frame = line.request("example.target", "take", [[[[[[[]]]]]]], {})
    assert isinstance(frame, Frame)
    with pytest.raises(SerializeError, match="deeper than 5"):
        read_reply(frame, line.serializer.id, line.client.serializers)
    assert line.client.limited(line.serializer).name == name


def test_with_the_usual_depth_everybody_shares_the_same_serializers() -> None:
    first, second = (
        SessionSettings.from_config(Configuration(use_environment=False))
        for _ in range(2)
    )
    assert first.serializers is second.serializers
    assert strict().serializers is not first.serializers
