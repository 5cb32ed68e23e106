from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.dispatch import Call, CallDetails, CallHook, ClientConnection
from pyro_protocol.dispatch.hooks import HookTable

if TYPE_CHECKING:
    from collections.abc import Iterator

CALL = CallDetails(ClientConnection(), Call("lamp", "shine", (), None), None)


class Noting:
    """Notes what it is told, under its own letter."""

    def __init__(self, letter: str, notes: list[str]) -> None:
        self.letter = letter
        self.notes = notes

    def before_call(self, call: CallDetails) -> None:
        self.notes.append(f"before {self.letter}")

    def after_call(self, call: CallDetails, result: Any, seconds: float) -> None:
        self.notes.append(f"after {self.letter}: {result} in {seconds}")

    def on_error(self, call: CallDetails, error: BaseException, seconds: float) -> None:
        self.notes.append(f"error {self.letter}: {error} in {seconds}")

    @contextlib.contextmanager
    def running(self, call: CallDetails) -> Iterator[None]:
        self.notes.append(f"enter {self.letter}")
        yield
        self.notes.append(f"leave {self.letter}")


def test_hooks_are_met_in_order_and_left_in_the_opposite_order() -> None:
    notes: list[str] = []
    hooks = HookTable((Noting("a", notes), Noting("b", notes)))

    hooks.before(CALL)
    with hooks.running(CALL):
        pass
    hooks.after(CALL, 5, 0.5)
    hooks.failed(CALL, ValueError("no"), 0.25)

    assert notes == [
        *("before a", "before b"),
        *("enter a", "enter b", "leave b", "leave a"),
        *("after b: 5 in 0.5", "after a: 5 in 0.5"),
        *("error b: no in 0.25", "error a: no in 0.25"),
    ]


def test_a_hook_needs_only_the_methods_it_uses() -> None:
    class OnlyErrors:
        def on_error(self, *args: object) -> None:
            noted.append(args)

    noted: list[object] = []
    hooks = HookTable((OnlyErrors(),))
    error = ValueError()

    hooks.before(CALL)
    with hooks.running(CALL):
        pass
    hooks.after(CALL, 5, 0.5)
    hooks.failed(CALL, error, 0.5)

    assert noted == [(CALL, error, 0.5)]


def test_what_is_no_hook_is_refused() -> None:
    with pytest.raises(TypeError, match="is no hook: it has no before_call"):
        HookTable((object(),))


def test_the_base_class_does_nothing() -> None:
    hooks = HookTable((CallHook(),))

    hooks.before(CALL)
    with hooks.running(CALL):
        pass
    hooks.after(CALL, 5, 0.5)
    hooks.failed(CALL, ValueError(), 0.5)


@pytest.mark.parametrize("failure", [ValueError, SystemExit])
def test_what_a_hook_raises_is_logged_and_the_others_are_told(
    caplog: pytest.LogCaptureFixture, failure: type[BaseException]
) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            def fail(*_args: object) -> None:
                raise failure(f"in {name}")

            return fail

    class FailingInside:
        def running(self, call: CallDetails) -> Any:
            return self

        def __enter__(self) -> None:
            if not entering:
                raise failure("in __enter__")

        def __exit__(self, *_exc_info: object) -> None:
            raise failure("in __exit__")

    notes: list[str] = []
    entering = False
    hooks = HookTable((Failing(), FailingInside(), Noting("a", notes)))
    with caplog.at_level(logging.ERROR, "pyro.server"):
        hooks.before(CALL)
        with hooks.running(CALL):
            pass
        hooks.after(CALL, 5, 0.5)
        hooks.failed(CALL, ValueError("no"), 0.25)

        entering = True
        with hooks.running(CALL):
            pass

    assert len(notes) == 7
    assert len(caplog.records) == 7
    assert all("a hook failed" in one.message for one in caplog.records)


def test_what_is_entered_is_left_although_the_call_fails() -> None:
    notes: list[str] = []
    hooks = HookTable((Noting("a", notes),))

    with pytest.raises(ValueError, match="of the call"), hooks.running(CALL):
        raise ValueError("of the call")

    assert notes == ["enter a", "leave a"]


def test_a_hook_cannot_swallow_the_error_of_a_call() -> None:
    class Swallowing:
        def running(self, call: CallDetails) -> Any:
            return contextlib.suppress(ValueError)

    hooks = HookTable((Swallowing(),))
    with pytest.raises(ValueError, match="of the call"), hooks.running(CALL):
        raise ValueError("of the call")
