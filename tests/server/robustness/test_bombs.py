"""Little data that becomes a lot when it is unpacked."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import pytest

from pyro_protocol.errors import MessageTooLargeError, SerializeError
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import FLAG_COMPRESSED, MessageType

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.robustness.world import Callers, ServerProcess
    from support.daemons import RawClient

_MIB: Final = 1024 * 1024
_GIB: Final = 1024 * _MIB
_FLAGS_AT: Final = 8
_ADLER_BASE: Final = 65521


def bomb(size: int) -> bytes:
    """Return so many zeros (whole MiB) compressed, without ever having had them."""
    block = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = block.compress(bytes(_MIB)) + block.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    check = struct.pack("!HH", size % _ADLER_BASE, 1)
    return b"\x78\x9c" + piece * (size // _MIB) + end + check


def test_a_bomb_is_what_it_is_said_to_be() -> None:
    assert zlib.decompress(bomb(8 * _MIB)) == bytes(8 * _MIB)


def compressed(client: RawClient, kind: int, payload: bytes, name: str) -> bytes:
    message = bytearray(
        client.message(kind, payload, serializer_id=serializers[name].id)
    )
    (flags,) = struct.unpack_from("!H", message, _FLAGS_AT)
    struct.pack_into("!H", message, _FLAGS_AT, flags | FLAG_COMPRESSED)
    return bytes(message)


@pytest.mark.parametrize("size", [8 * _MIB, _GIB])
def test_a_bomb_before_the_handshake_is_refused(
    size: int,
    server: ServerProcess,
    callers: Callers,
    attack: Callable[[], RawClient],
) -> None:
    server.forget_peak_memory()
    before = server.peak_memory()
    for _ in range(10):
        client = attack()
        client.send(compressed(client, MessageType.CONNECT, bomb(size), "serpent"))
        assert "too large" in client.refusal()
    callers.wait_for_answers(5)
    assert server.peak_memory() - before < 16 * _MIB


def test_a_bomb_after_the_handshake_is_refused(
    server: ServerProcess, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    server.forget_peak_memory()
    before = server.peak_memory()
    client = attack()
    client.shake_hands()
    for serializer in ("serpent", "msgpack"):
        client.send(compressed(client, MessageType.INVOKE, bomb(_GIB), serializer))
        assert isinstance(client.receive_value(), MessageTooLargeError)
    assert client.call("add", 1, 2) == 3
    callers.wait_for_answers(5)
    # Of each megabyte, 200 may become before it is known to be a bomb, twice.
    assert server.peak_memory() - before < _GIB // 2


@pytest.mark.parametrize("serializer", ["serpent", "json", "msgpack"])
def test_deep_arguments_are_refused(
    serializer: str, callers: Callers, attack: Callable[[], RawClient]
) -> None:
    client = attack()
    client.shake_hands()
    number = serializers[serializer].id
    for opening in (b"[", b"(", b"{", b"\x91"):
        payload = opening * 100_000
        client.send(client.message(MessageType.INVOKE, payload, serializer_id=number))
        assert isinstance(client.receive_value(), SerializeError)
        assert client.call("add", 1, 2) == 3
