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
    MAX_BUFFERS,
    NO_ANNOTATIONS,
    OUT_OF_BAND_FROM,
    Annotations,
    Buffer,
    Frame,
    MessageType,
    Payload,
    SplitPayload,
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
    "MAX_BUFFERS",
    "NO_ANNOTATIONS",
    "OUT_OF_BAND_FROM",
    "Annotations",
    "Buffer",
    "Decoder",
    "Frame",
    "FrameError",
    "MessageType",
    "Payload",
    "SplitPayload",
    "encode_frame",
    "encode_plain_frame",
]
