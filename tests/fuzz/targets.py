"""What is fuzzed: functions of bytes that raise an error if something is wrong.

A target gets bytes from a fuzzer and gives them to a part of the protocol as a peer
would. Errors that the part documents are right; any other exception, and a failed
assertion, is a finding. Whoever runs a target watches memory and time as well; see
`cost`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from fuzz import seeds
from fuzz.growth import LONGEST, check_growth, growth_seeds
from fuzz.script import Script
from fuzz.sessions import talk_to_client, talk_to_server, talk_to_session
from fuzz.values import check_value
from pyro_protocol import URI
from pyro_protocol.errors import PyroError, SerializeError
from pyro_protocol.serializers import serializers
from pyro_protocol.serializers.marshal_reader import read_simple, write_simple
from pyro_protocol.serializers.serpent_reader import NESTING_LIMIT, read_serpent
from pyro_protocol.serializers.serpent_shortcuts import read_call, read_value
from pyro_protocol.wire import Decoder, Frame, FrameError, MessageType, SplitPayload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["TARGETS", "TIMED_TARGETS", "Target"]

_LIMITS: Final = (1 << 16, 1 << 12, 1 << 20, 100)
_IS_CALL: Final = 1
_IS_SPLIT: Final = 2


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    Attributes:
        run: tries some bytes; raises what is wrong.
        seeds: gives bytes to begin with.
        makes: how many bytes it makes of any input by itself.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    makes: int = 0


def _decode(data: bytes) -> None:
    """Have a decoder read bytes in three ways, which must give the same."""
    script = Script(data)
    limit = script.choice(_LIMITS)
    splits = script.choice((False, True))
    sizes = script.sizes()
    stream = script.rest()
    whole = _frames([stream], limit, splits=splits)
    assert _frames(_cut(stream, sizes), limit, splits=splits) == whole
    assert _frames(_cut(stream, sizes), limit, splits=splits, in_place=True) == whole


def _cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def _frames(
    pieces: Sequence[bytes], limit: int, *, splits: bool, in_place: bool = False
) -> list[object]:
    """Return frames and errors in a form that can be compared."""
    decoder = Decoder(limit, 16, frozenset(MessageType))
    decoder.splits = splits
    found: list[object] = []
    received = 0
    for piece in pieces:
        rest = memoryview(piece)
        received += len(piece)
        while in_place and rest and (space := decoder.space) is not None:
            count = min(len(space), len(rest))
            space[:count] = rest[:count]
            decoder.receive_written(count)
            rest = rest[count:]
        decoder.receive_data(bytes(rest))
        while True:
            try:
                frame = decoder.next_frame()
            except FrameError as error:
                found.append(str(error.error))
                if error.fatal:
                    return found
                continue
            if frame is None:
                break
            found.append(_comparable(frame, limit))
        assert 0 <= decoder.buffered <= received
        assert decoder.missing > 0
    return found


def _comparable(frame: Frame, limit: int) -> object:
    payload = frame.payload
    size = len(payload) + sum(len(one) for one in frame.annotations.values())
    assert size <= limit
    parts: object = bytes(payload) if not isinstance(payload, SplitPayload) else None
    if isinstance(payload, SplitPayload):
        parts = (bytes(payload.head), [(type(one), one) for one in payload.buffers])
    annotations = {name: bytes(data) for name, data in frame.annotations.items()}
    return (*frame[:4], parts, annotations, frame.correlation_id)


def _load(name: str, data: bytes) -> None:
    """Read a value or a call, and what is written when it is sent on."""
    serializer = serializers[name]
    script = Script(data)
    options = script.number()
    read = serializer.loads_call if options & _IS_CALL else serializer.loads
    payload: bytes | SplitPayload
    if options & _IS_SPLIT:
        buffers: list[bytes | bytearray] = [script.block(), bytearray(script.block())]
        payload = SplitPayload(script.rest(), buffers)
    else:
        payload = script.rest()
    try:
        value = read(payload)
    except PyroError:
        return
    check_value(value)
    try:
        written = serializer.encode(value)
    except SerializeError:
        return
    check_value(serializer.loads(written))


def _read_marshal(data: bytes) -> None:
    """Read plain marshal data, and what is written of it."""
    try:
        value = read_simple(data)
    except SerializeError:
        return
    check_value(value)
    assert repr(read_simple(write_simple(value))) == repr(value)


def _read_serpent(data: bytes) -> None:
    """Read serpent text in the quick ways, and token by token."""
    text = data[data.find(b"\n") + 1 :].decode("utf-8", "replace")
    expected = _outcome(read_serpent, text)
    assert _outcome(read_value, text) == expected
    assert _outcome(read_call, text) == expected


def _outcome(read: Callable[[str, int], tuple[object, bool]], text: str) -> object:
    try:
        value, _ = read(text, NESTING_LIMIT)
    except (SerializeError, ValueError, SyntaxError, TypeError) as error:
        return type(error)
    return repr(value)


def _parse_uri(data: bytes) -> None:
    """Read a URI, and its own text."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        uri = URI(text)
    except PyroError:
        return
    again = URI(str(uri))
    assert again == uri
    assert hash(again) == hash(uri)
    assert str(again) == str(uri)
    assert repr(uri)


TARGETS: Final[dict[str, Target]] = {
    "decoder": Target(_decode, seeds.streams),
    "server": Target(talk_to_server, seeds.requests),
    "session": Target(talk_to_session, seeds.session_requests),
    "client": Target(talk_to_client, seeds.replies),
    **{
        name: Target(partial(_load, name), partial(seeds.payloads, name))
        for name in ("native", "serpent", "json", "msgpack")
    },
    "marshal-reader": Target(_read_marshal, seeds.marshal_values),
    "serpent-reader": Target(_read_serpent, partial(seeds.payloads, "serpent")),
    "uri": Target(_parse_uri, seeds.uris),
}
"""Every target by its name on the command line."""

TIMED_TARGETS: Final[dict[str, Target]] = {
    "growth": Target(check_growth, growth_seeds, LONGEST),
}
"""Targets that look at the clock."""
