"""Oneway calls of our client on the short way, to servers of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.errors import SerializeError
from pyro_suite import Daemon, Proxy, current_context, expose, oneway

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyro_client.sharing import SharedChannel


@expose
class Notebook:
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self._notes: list[Any] = []

    @oneway
    def note(self, *args: object, **kwargs: object) -> None:
        self._notes.append([*args, kwargs])

    def count(self) -> int:
        return len(self._notes)

    def read(self) -> list[Any]:
        return self._notes


def notes(notebook: Any, count: int) -> list[Any]:
    """Return the notes when there are so many; the test's time limit bounds this."""
    while notebook.count() < count:
        pass
    result: list[Any] = notebook.read()
    return result


def channel_of(notebook: Proxy) -> SharedChannel:
    usual = notebook._pyro_binding._usual
    assert usual is not None
    return usual[0]


def with_write(notebook: Proxy, write: Callable[[bytes, int], int]) -> None:
    """Have the short way write so."""
    binding = notebook._pyro_binding
    assert binding._usual is not None
    *before, _, read = binding._usual
    binding._usual = *before, write, read  # type: ignore[assignment] # as many


@pytest.fixture
def notebook(start: Callable[..., Daemon], connect: Callable[..., Proxy]) -> Proxy:
    """A proxy whose next oneway call takes the short way."""
    notebook = connect(start(Notebook()))
    notebook.note(0)
    notebook.note(1)
    assert notes(notebook, 2) == [[0, {}], [1, {}]]
    return notebook


def test_they_run_in_order_whatever_their_arguments_are(notebook: Proxy) -> None:
    arguments: list[tuple[Any, ...]] = [
        (),
        (1, "two", 3.0, None, True),
        ((1, 2), [3], {"four": 5}, b"six"),
        ("x" * 100_000,),
        (2**70,),
        (7,),
    ]
    for args in arguments:
        notebook.note(*args)
    notebook.note(8, nine=10)
    notebook.note(11)
    expected = [[*args, {}] for args in arguments]
    assert notes(notebook, 10)[2:] == [*expected, [8, {"nine": 10}], [11, {}]]


def test_many_of_them_are_all_run_once_between_calls_that_are_answered(
    notebook: Proxy,
) -> None:
    for number in range(3000):
        notebook.note(number)
        if not number % 500:
            assert notebook.count() <= number + 3
    assert [one[0] for one in notes(notebook, 3002)[2:]] == list(range(3000))


def test_what_cannot_travel_is_told_of_and_the_next_is_sent(notebook: Proxy) -> None:
    with pytest.raises(SerializeError):
        notebook.note("\ud800")
    notebook.note("next")
    assert notes(notebook, 3)[2:] == [["next", {}]]


def test_a_call_of_which_a_part_was_written_is_written_to_its_end(
    notebook: Proxy,
) -> None:
    sock = channel_of(notebook).sock
    with_write(notebook, lambda data, flags: sock.send(data[:7], flags))
    notebook.note("in two parts")
    notebook.note("in one")
    assert notes(notebook, 4)[2:] == [["in two parts", {}], ["in one", {}]]


def test_a_call_that_finds_no_room_is_sent_once_there_is_some(
    notebook: Proxy,
) -> None:
    def no_room(_data: bytes, _flags: int) -> int:
        raise BlockingIOError

    with_write(notebook, no_room)
    notebook.note("late")
    assert notes(notebook, 3)[2:] == [["late", {}]]


def test_they_take_it_in_a_thread_that_has_used_the_context(notebook: Proxy) -> None:
    current_context.annotations = {"TEST": b"text"}
    current_context.annotations = {}
    sock = channel_of(notebook).sock
    sent: list[bytes] = []

    def write(data: bytes, flags: int) -> int:
        sent.append(data)
        return sock.send(data, flags)

    with_write(notebook, write)
    notebook.note("as ever")
    assert len(sent) == 1
    assert notes(notebook, 3)[2:] == [["as ever", {}]]


def test_a_sender_that_is_interrupted_closes_the_connection(notebook: Proxy) -> None:
    channel = channel_of(notebook)

    def interrupt(_data: bytes, _flags: int) -> int:
        raise KeyboardInterrupt

    with_write(notebook, interrupt)
    with pytest.raises(KeyboardInterrupt):
        notebook.note("perhaps")
    assert channel.closed
    notebook.note("on a new connection")
    assert notes(notebook, 3)[2:] == [["on a new connection", {}]]
