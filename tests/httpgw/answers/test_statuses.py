"""The statuses of failures."""

from __future__ import annotations

import json

import pytest

from pyro_httpgw.answers.problems import failure
from pyro_httpgw.answers.statuses import failed_call, failed_stream, remote_status
from pyro_httpgw.errors import CallFailedError
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    NamingError,
    RemoteError,
    SecurityError,
    SerializeError,
    ServerBusyError,
    TimeoutError,  # noqa: A004 - the documented name
)

OWN = [
    (TimeoutError("late"), 504),
    (NamingError("no name server"), 503),
    (ServerBusyError("busy"), 503),
    (CommunicationError("refused"), 502),
    (SerializeError("unreadable"), 502),
    (SecurityError("unsafe"), 502),
    (CallFailedError(404, NamingError("unknown")), 404),
]


@pytest.mark.parametrize(("error", "status"), OWN)
def test_each_failure_has_its_status(error: Exception, status: int) -> None:
    response = failure(failed_call(error), traceback=False)
    assert response.status == status
    assert json.loads(response.body)["__exception__"] is True


def test_whether_a_call_was_made_is_said() -> None:
    lost = ConnectionClosedError("lost")
    assert failed_call(lost).hint == (
        "the call may have been made: find out before you repeat it"
    )
    lost.outcome = "not_sent"
    assert failed_call(lost).hint == "the call was not made: try again later"


@pytest.mark.parametrize(("error", "status"), OWN)
def test_a_stream_that_is_lost_has_the_same_status(
    error: Exception, status: int
) -> None:
    assert failed_stream(error).status == status


@pytest.mark.parametrize(
    "error",
    [ValueError("bad"), RemoteError("bad", remote_type="shop.Error")],
)
def test_what_a_generator_raises_is_its_own_fault(error: Exception) -> None:
    assert failed_stream(error).status == 500


def test_what_a_generator_raises_may_be_one_of_our_classes() -> None:
    error = NamingError("unknown name")
    error._pyroTraceback = []  # type: ignore[attr-defined] # as received
    assert failed_stream(error).status == 500


def test_a_server_without_room_is_no_failure_of_the_object() -> None:
    assert remote_status(ServerBusyError("later")) == 503
    assert remote_status(ValueError("bad")) == 500
