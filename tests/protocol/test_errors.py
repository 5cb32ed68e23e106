from __future__ import annotations

import sys

import pytest

from pyro_protocol import errors
from pyro_protocol.errors import (
    CallCancelledError,
    CommunicationError,
    ConnectionClosedError,
    DaemonError,
    LocalProtocolError,
    MessageTooLargeError,
    NamingError,
    ProtocolError,
    PyroError,
    RemoteError,
    RemoteProtocolError,
    SecurityError,
    SerializeError,
    ServerBusyError,
    TimeoutError,  # noqa: A004 - the documented name
    excepthook,
    format_remote_traceback,
    get_pyro_traceback,
    hide_remote_traceback,
    show_remote_traceback,
)


def remote_error(*lines: str) -> ValueError:
    error = ValueError("bad")
    error._pyroTraceback = list(lines)  # type: ignore[attr-defined] # documented
    return error


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (CommunicationError, PyroError),
        (ConnectionClosedError, CommunicationError),
        (TimeoutError, CommunicationError),
        (ProtocolError, CommunicationError),
        (LocalProtocolError, ProtocolError),
        (RemoteProtocolError, ProtocolError),
        (MessageTooLargeError, ProtocolError),
        (SerializeError, ProtocolError),
        (NamingError, PyroError),
        (DaemonError, PyroError),
        (ServerBusyError, DaemonError),
        (CallCancelledError, PyroError),
        (SecurityError, PyroError),
        (RemoteError, PyroError),
    ],
)
def test_the_tree_is_the_one_that_pyro_programs_know(
    error: type[PyroError], base: type[PyroError]
) -> None:
    assert error.__bases__ == (base,)
    assert error.__name__ in errors.__all__
    assert error.__name__ in (errors.__doc__ or "")


def test_a_communication_error_does_not_claim_that_the_call_did_not_run() -> None:
    assert CommunicationError().outcome == "unknown"


def test_a_remote_error_says_what_it_was() -> None:
    error = RemoteError("no", 5, remote_type="app.Odd", attributes={"code": 7})

    assert str(error) == "app.Odd: ('no', 5)"
    assert error.args == ("no", 5)
    assert error.attributes == {"code": 7}
    assert str(RemoteError("no")) == "no"


def test_an_error_that_is_not_remote_has_no_remote_traceback() -> None:
    error = ValueError("bad")

    show_remote_traceback(error)

    assert format_remote_traceback(error) == []
    assert not hasattr(error, "__notes__")


def test_the_remote_traceback_is_part_of_the_ordinary_one() -> None:
    error = remote_error("Traceback:\n", "  in there\n")

    show_remote_traceback(error)

    (note,) = error.__notes__
    assert note.splitlines()[1:-1] == [" | Traceback:", " |   in there"]


def test_hiding_the_remote_traceback_keeps_other_notes() -> None:
    error = remote_error("Traceback:\n")
    error.add_note("mine")
    show_remote_traceback(error)

    hide_remote_traceback(error)

    assert error.__notes__ == ["mine"]


def test_hiding_what_was_never_shown_changes_nothing() -> None:
    error = remote_error("Traceback:\n")
    show_remote_traceback(error)
    hide_remote_traceback(error)
    hide_remote_traceback(error)

    assert not hasattr(error, "__notes__")


def test_the_pyro_traceback_shows_both_sides_once() -> None:
    error = remote_error("remote line\n")
    show_remote_traceback(error)
    try:
        raise error
    except ValueError:
        text = "".join(get_pyro_traceback())

    assert "raise error" in text
    assert text.count("remote line") == 1


@pytest.mark.parametrize("with_class", [True, False])
def test_the_pyro_traceback_of_a_given_exception(with_class: bool) -> None:
    error = remote_error("remote line\n")

    lines = (
        get_pyro_traceback(ValueError, error)
        if with_class
        else get_pyro_traceback(error)
    )

    assert "ValueError: bad\n" in lines
    assert " | remote line\n" in lines


def test_without_an_exception_there_is_no_pyro_traceback() -> None:
    assert get_pyro_traceback() == []


def test_a_damaged_remote_traceback_is_no_reason_to_fail() -> None:
    error = ValueError("bad")
    error._pyroTraceback = 5  # type: ignore[attr-defined] # as a peer may send it
    assert format_remote_traceback(error) == []

    error._pyroTraceback = [1, None, b"x"]  # type: ignore[attr-defined] # as above
    assert " | None\n" in format_remote_traceback(error)


def test_the_hook_prints_both_sides_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", excepthook)
    error = remote_error("remote line\n")

    sys.excepthook(ValueError, error, None)

    assert " | remote line" in capsys.readouterr().err


class UnreadableError(Exception):
    def __getattr__(self, name: str) -> object:
        raise KeyError(name)

    def __str__(self) -> str:
        raise ZeroDivisionError


def test_an_error_that_cannot_be_asked_for_attributes_is_no_obstacle() -> None:
    error = UnreadableError()
    show_remote_traceback(error)
    hide_remote_traceback(error)
    assert format_remote_traceback(error) == []

    vars(error)["_pyroTraceback"] = ["remote line\n"]
    assert " | remote line\n" in format_remote_traceback(error)


@pytest.mark.parametrize("notes", [5, "text", None, []])
def test_damaged_notes_are_left_alone(notes: object) -> None:
    error = ValueError("bad")
    vars(error)["__notes__"] = notes

    hide_remote_traceback(error)

    assert vars(error)["__notes__"] == notes


def test_a_remote_error_has_a_text_even_if_its_base_fails_to_give_one() -> None:
    class CombinedError(RemoteError, UnreadableError):
        pass

    assert str(CombinedError("no", remote_type="app.Odd")) == "app.Odd: no"


def test_the_pyro_traceback_of_a_group_shows_the_remote_one_once() -> None:
    error = ExceptionGroup("several", [ValueError("bad")])
    vars(error)["_pyroTraceback"] = ["remote line\n"]
    show_remote_traceback(error)

    text = "".join(get_pyro_traceback(error))

    assert text.count("remote line") == 1


def test_the_pyro_traceback_shows_the_own_remote_one_beside_that_of_the_cause() -> None:
    cause = remote_error("line of the cause\n")
    show_remote_traceback(cause)
    error = remote_error("own line\n")
    error.__cause__ = cause

    text = "".join(get_pyro_traceback(error))

    assert text.count("line of the cause") == 1
    assert text.count("own line") == 1
