"""The golden messages of real Pyro5 conversations, as tests use them."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyro_protocol.wire import FLAG_COMPRESSED, HEADER_SIZE, Decoder, Frame

__all__ = [
    "ALL_KINDS",
    "CONVERSATIONS",
    "Message",
    "by_name",
    "decode_all",
    "decode_one",
    "messages_of",
    "valid_messages",
]

_FOLDER = Path(__file__).parent.parent / "vectors"

CONVERSATIONS = ("serpent", "json", "msgpack", "marshal")
"""The serializers of which a whole conversation was recorded."""

ALL_KINDS = range(1, 13)
"""Every message type there is."""


@dataclass(frozen=True)
class Message:
    """One recorded message: what it is called, its bytes, and what they mean."""

    name: str
    from_client: bool
    data: bytes
    header: dict[str, Any]
    annotations: dict[str, bytes]

    def __str__(self) -> str:
        return self.name

    @property
    def flags(self) -> int:
        """The flags as the decoder shows them."""
        flags: int = self.header["flags"]
        return flags & ~FLAG_COMPRESSED

    @property
    def compressed(self) -> bool:
        """Whether the payload travelled compressed."""
        return bool(self.header["flags"] & FLAG_COMPRESSED)

    @property
    def payload(self) -> bytes:
        """The payload, inflated if it was compressed."""
        raw = self.data[HEADER_SIZE + self.header["annotations_length"] :]
        return zlib.decompress(raw) if self.compressed else raw

    @property
    def correlation_id(self) -> bytes | None:
        """The correlation id, or None if the message does not have one."""
        if not self.flags & 0x40:
            return None
        return bytes.fromhex(self.header["correlation_id"])


def messages_of(file: str) -> list[Message]:
    """Return the messages of one file of vectors, named without its ending."""
    entries = json.loads((_FOLDER / f"{file}.json").read_text(encoding="utf-8"))
    return [
        Message(
            name=entry["name"],
            from_client=entry["direction"] == "client->server",
            data=bytes.fromhex(entry["hex"]),
            header=entry.get("header", {}),
            annotations={
                one["id"]: bytes.fromhex(one["hex"])
                for one in entry.get("annotations") or []
            },
        )
        for entry in entries
    ]


def by_name(file: str) -> dict[str, Message]:
    """Return the messages of one file by their names."""
    return {message.name: message for message in messages_of(file)}


def valid_messages() -> dict[str, Message]:
    """Return every well-formed message, by file and name."""
    files = [
        *(f"wire-{name}" for name in CONVERSATIONS),
        "wire-ping-and-pool",
        "wire-connected-socket",
        "nameserver",
    ]
    found = {
        f"{file}:{message.name}": message
        for file in files
        for message in messages_of(file)
    }
    replies = {
        f"wire-invalid-input:{message.name}": message
        for message in messages_of("wire-invalid-input")
        if not message.from_client
    }
    return found | replies


def decode_all(data: bytes, max_size: int = 1 << 20) -> list[Frame]:
    """Return the frames of bytes that were received at once."""
    decoder = Decoder(max_size, 256, ALL_KINDS)
    decoder.receive_data(data)
    frames = []
    while (frame := decoder.next_frame()) is not None:
        frames.append(frame)
    assert decoder.buffered == 0
    return frames


def decode_one(data: bytes, max_size: int = 1 << 20) -> Frame:
    """Return the only frame of some bytes."""
    (frame,) = decode_all(data, max_size)
    return frame
