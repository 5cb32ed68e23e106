"""The wire format: messages to bytes and back, as pure functions of bytes."""

from __future__ import annotations

from .decoder import Decoder, FrameError
from .frame import (
    FLAG_BATCH,
    FLAG_COMPRESSED,
    FLAG_CORRELATION,
    FLAG_EXCEPTION,
    FLAG_KEEPSERIALIZED,
    FLAG_ONEWAY,
    FLAG_STREAM,
    HEADER_SIZE,
    JOIN_BELOW,
    NO_ANNOTATIONS,
    Annotations,
    Buffer,
    Frame,
    MessageType,
    encode_frame,
    encode_plain_frame,
)

__all__ = [
    "FLAG_BATCH",
    "FLAG_COMPRESSED",
    "FLAG_CORRELATION",
    "FLAG_EXCEPTION",
    "FLAG_KEEPSERIALIZED",
    "FLAG_ONEWAY",
    "FLAG_STREAM",
    "HEADER_SIZE",
    "JOIN_BELOW",
    "NO_ANNOTATIONS",
    "Annotations",
    "Buffer",
    "Decoder",
    "Frame",
    "FrameError",
    "MessageType",
    "encode_frame",
    "encode_plain_frame",
]
