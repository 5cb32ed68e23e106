from __future__ import annotations

import logging

import pytest

from pyro_protocol.wire import MessageType, encode_frame
from pyro_protocol.wire.logged import LoggedDecoder, encode_logged_frame


@pytest.fixture(autouse=True)
def _everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pyro.wire")


def test_a_message_that_is_sent_is_logged_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    buffers = encode_logged_frame(
        MessageType.INVOKE, 1, 4, 7, b"payload", {"ABCD": b"x"}
    )

    assert b"".join(buffers) == b"".join(
        encode_frame(MessageType.INVOKE, 1, 4, 7, b"payload", {"ABCD": b"x"})
    )
    (record,) = caplog.records
    assert "sending: type=4 serializer=1 flags=4 seq=7" in record.getMessage()
    assert repr(b"".join(buffers)) in record.getMessage()


@pytest.mark.parametrize("at_once", [True, False])
def test_a_message_that_is_received_is_logged_once(
    caplog: pytest.LogCaptureFixture, at_once: bool
) -> None:
    data = b"".join(encode_frame(MessageType.RESULT, 1, 0, 7, b"payload"))
    decoder = LoggedDecoder(1000, 10, [MessageType.RESULT])

    if at_once:
        frame = decoder.only_frame(data)
    else:
        decoder.receive_data(data[:45])
        assert decoder.next_frame() is None
        decoder.receive_data(data[45:] + data)
        frame = decoder.next_frame()

    assert frame is not None
    assert frame.payload == b"payload"
    (record,) = caplog.records
    assert "received: type=5 serializer=1 flags=0 seq=7" in record.getMessage()
    assert "correlation id=None data=b'payload'" in record.getMessage()


def test_what_is_no_message_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    decoder = LoggedDecoder(1000, 10, [MessageType.RESULT])

    assert decoder.only_frame(b"short") is None

    assert caplog.records == []
