"""Errors as problem documents."""

from __future__ import annotations

import json

from pyro_httpgw.answers.problems import (
    PROBLEM,
    failure,
    problem,
    problem_of,
    problem_response,
    refusal,
)
from pyro_httpgw.errors import CallFailedError, RequestRefusedError
from pyro_protocol.errors import NamingError, RemoteError, show_remote_traceback


def test_an_exception_has_the_form_that_pyro_clients_read() -> None:
    error = NamingError("unknown name: x")
    error._pyroTraceback = ["line 1\n"]  # type: ignore[attr-defined] # as received
    show_remote_traceback(error)
    assert problem_of(error, 404, "register it", traceback=True) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "NamingError: unknown name: x",
        "hint": "register it",
        "__class__": "Pyro5.errors.NamingError",
        "__exception__": True,
        "args": ["unknown name: x"],
        "attributes": {"_pyroTraceback": ["line 1\n"]},
    }


def test_an_exception_with_unusable_details_is_still_told() -> None:
    document = problem_of(ValueError("bad", len), 500, traceback=True)
    told = json.loads(problem_response(document).body)
    assert told["__exception__"] is True
    assert told["detail"].startswith("ValueError: ('bad', <built-in")


def test_a_refusal_says_what_is_wrong_and_what_to_do() -> None:
    refused = RequestRefusedError(
        405, "not like that", "ask for it", headers=(("Allow", "GET"),)
    )
    response = refusal(refused)
    assert response.status == 405
    assert response.headers == (("Content-Type", PROBLEM), ("Allow", "GET"))
    document = json.loads(response.body)
    assert document["title"] == "Method Not Allowed"
    assert document["detail"] == "not like that"
    assert document["hint"] == "ask for it"
    assert document["args"] == ["not like that"]


def test_a_failure_has_the_status_it_was_given() -> None:
    failed = CallFailedError(502, NamingError("gone"), "restart it")
    response = failure(failed, traceback=False)
    assert response.status == 502
    assert json.loads(response.body)["hint"] == "restart it"


def test_what_is_not_said_is_left_out() -> None:
    assert set(problem(400, "wrong")) == {"type", "title", "status", "detail"}


def remote(error: Exception, *lines: str) -> Exception:
    """Return an exception as it is received, with its traceback."""
    error._pyroTraceback = list(lines)  # type: ignore[attr-defined] # as received
    show_remote_traceback(error)
    return error


def told(error: Exception, *, traceback: bool) -> str:
    return json.dumps(problem_of(error, 500, traceback=traceback))


def test_tracebacks_are_told_nowhere_if_they_may_not_be() -> None:
    inner = remote(ValueError("inner"), "secret.py, line 1")
    outer = remote(
        ExceptionGroup("outer", [inner, ValueError("plain")]), "secret.py, line 2"
    )
    outer.inner = inner  # type: ignore[attr-defined] # as programs do
    outer.add_note("a note that helps")
    outer.add_note("Traceback (most recent call last):\n  secret.py, line 3")
    outer.__cause__ = remote(KeyError("cause"), "secret.py, line 4")
    assert told(outer, traceback=True).count("secret.py") >= 3
    hidden = told(outer, traceback=False)
    assert "secret.py" not in hidden
    assert "_pyroTraceback" not in hidden
    assert "a note that helps" in hidden
    assert "inner" in hidden


def test_what_the_exception_says_itself_is_told() -> None:
    error = remote(ValueError("too hot", 99), "secret.py, line 1")
    document = problem_of(error, 500, traceback=False)
    assert document["args"] == ["too hot", 99]
    assert document["attributes"] == {}


def test_an_exception_of_an_unknown_class_keeps_its_name() -> None:
    error = RemoteError("broken", remote_type="shop.Empty", attributes={"left": 0})
    document = problem_of(error, 500, traceback=False)
    assert document["__class__"] == "shop.Empty"
    assert document["detail"] == "shop.Empty: broken"
    assert document["attributes"] == {"left": 0}


def test_what_cannot_be_shown_does_not_hide_the_rest() -> None:
    error = ValueError("bad", len, 3)
    error.open_file = len  # type: ignore[attr-defined] # as programs do
    error.size = 3  # type: ignore[attr-defined] # as programs do
    document = problem_of(error, 500, traceback=True)
    assert document["__class__"] == "builtins.ValueError"
    assert document["args"][::2] == ["bad", 3]
    assert document["args"][1] == "(builtin_function_or_method, which cannot be shown)"
    assert document["attributes"]["size"] == 3
    assert "open_file" in document["attributes"]["__notes__"][0]


def test_an_exception_that_cannot_say_what_it_is_has_a_name() -> None:
    class ShyError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert problem_of(ShyError(), 500, traceback=True)["detail"].endswith("ShyError")


def test_numbers_that_json_lacks_do_not_break_a_problem() -> None:
    document = problem_of(ValueError(float("nan")), 500, traceback=True)
    assert document["args"] == [None]
    json.loads(problem_response(document).body)
