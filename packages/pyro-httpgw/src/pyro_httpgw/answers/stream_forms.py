"""How streams are written: as Server-Sent Events, or as lines of JSON."""

from __future__ import annotations

from typing import Any, Final, Protocol

from .rendering import render_value

__all__ = ["EVENTS", "OVER", "STREAM_FORMS", "StreamForm", "form_of"]

EVENTS: Final = "text/event-stream"
"""The media type of Server-Sent Events."""

STREAM_FORMS: Final = ("application/x-ndjson", "application/jsonl", EVENTS)
"""The media types that streams can be had in, the first for who does not care."""

OVER: Final = "end"
"""The id of the last event. A browser connects again after the end, with the id of the
event it saw last: one that sends this is told that there is nothing more to come."""


class StreamForm(Protocol):
    """How a stream is written.

    Attributes:
        keep_alive: what is sent from time to time while there is nothing to tell; may
            be empty.
        breaks_off: whether an answer that has failed is to be seen as incomplete.
    """

    keep_alive: bytes
    breaks_off: bool

    def item(self, number: int, data: bytes) -> bytes:
        """Return an item, by its number and as JSON."""

    def end(self, result: Any) -> bytes:
        """Return what follows the last item."""

    def failure(self, document: bytes) -> bytes:
        """Return what follows the last item if the stream has failed."""


class _EventForm(StreamForm):
    keep_alive = b":\n\n"
    breaks_off = False

    def item(self, number: int, data: bytes) -> bytes:
        return b"id: %d\ndata: %b\n\n" % (number, data)

    def end(self, result: Any) -> bytes:
        return self._last(b"end", render_value(result))

    def failure(self, document: bytes) -> bytes:
        return self._last(b"failure", document)

    def _last(self, kind: bytes, data: bytes) -> bytes:
        return b"event: %b\nid: %b\ndata: %b\n\n" % (kind, OVER.encode(), data)


class _LineForm(StreamForm):
    # Not every reader of such lines takes an empty one.
    keep_alive = b""
    breaks_off = True

    def item(self, number: int, data: bytes) -> bytes:
        del number
        return data + b"\n"

    def end(self, result: Any) -> bytes:
        del result
        return b""

    def failure(self, document: bytes) -> bytes:
        return document + b"\n"


_EVENT_FORM: Final = _EventForm()
_LINE_FORM: Final = _LineForm()


def form_of(media_type: str) -> StreamForm:
    """Return how a stream is written in one of the media types."""
    return _EVENT_FORM if media_type == EVENTS else _LINE_FORM
