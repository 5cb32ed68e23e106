"""Messages written to the log as they are sent and received, for debugging.

Used where ``LOGWIRE`` is on. The log then holds all that is sent, secrets too.
"""

from __future__ import annotations

import logging
from typing import Any

from .decoder import Decoder
from .frame import Buffer, Frame, encode_frame

__all__ = ["LoggedDecoder", "encode_logged_frame"]

_logger = logging.getLogger("pyro.wire")


class LoggedDecoder(Decoder):
    """A decoder that logs every message it returns."""

    __slots__ = ()

    def only_frame(self, data: bytes) -> Frame | None:
        """See `Decoder.only_frame`."""
        return _logged(super().only_frame(data))

    def next_frame(self) -> Frame | None:
        """See `Decoder.next_frame`."""
        return _logged(super().next_frame())


def encode_logged_frame(*args: Any, **kwargs: Any) -> list[Buffer]:
    """See `encode_frame`."""
    buffers = encode_frame(*args, **kwargs)
    kind, serializer_id, flags, sequence = args[:4]
    _logger.debug(
        "sending: type=%d serializer=%d flags=%d seq=%d data=%r",
        kind, serializer_id, flags, sequence, b"".join(buffers),
    )  # fmt: skip
    return buffers


def _logged(frame: Frame | None) -> Frame | None:
    if frame is not None:
        _logger.debug(
            "received: type=%d serializer=%d flags=%d seq=%d annotations=%d "
            "correlation id=%s data=%r",
            frame.kind, frame.serializer_id, frame.flags, frame.sequence,
            len(frame.annotations),
            frame.correlation_id.hex() if frame.correlation_id else None,
            frame.payload,
        )  # fmt: skip
    return frame
