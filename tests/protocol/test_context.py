from __future__ import annotations

import asyncio
import threading
import uuid
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, TypeVar

import pytest

from pyro_protocol import current_context
from pyro_protocol.context import CallState, call_state
from pyro_protocol.dispatch import ClientConnection
from pyro_protocol.errors import PyroError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
REQUEST_ID = uuid.UUID(int=1 << 64)


@pytest.fixture(autouse=True)
def _own_context() -> Iterator[None]:
    token = call_state.set(None)
    yield
    call_state.reset(token)


def serving(**fields: object) -> CallState:
    """Make the context that of a request being served."""
    state = CallState(ClientConnection(("10.0.0.1", 4444)), **fields)  # type: ignore[arg-type] # forwarded
    call_state.set(state)
    return state


def in_thread(function: Callable[[], T]) -> T:
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join(10)
    return results[0]


class Resource:
    closed = False

    def close(self) -> None:
        self.closed = True


def test_outside_of_a_request_there_is_nothing_to_know() -> None:
    assert current_context.client is None
    assert current_context.client_sock_addr is None
    assert current_context.seq == 0
    assert current_context.msg_flags == 0
    assert current_context.serializer_id == 0
    assert current_context.correlation_id is None
    assert current_context.annotations == {}
    assert current_context.response_annotations == {}


def test_merely_looking_at_the_context_does_not_create_one() -> None:
    assert current_context.correlation_id is None
    assert current_context.client is None

    assert call_state.get() is None


def test_a_method_sees_its_request() -> None:
    serving(sequence=5, message_flags=4, serializer_id=3, annotations={"ABCD": b"x"})

    assert current_context.client_sock_addr == ("10.0.0.1", 4444)
    assert current_context.seq == 5
    assert current_context.msg_flags == 4
    assert current_context.serializer_id == 3
    assert current_context.annotations == {"ABCD": b"x"}


def test_annotations_of_a_request_are_not_those_of_nested_calls() -> None:
    state = serving(annotations={"ABCD": b"x"})

    assert current_context.annotations == {"ABCD": b"x"}
    assert state.own_annotations is None

    current_context.annotations = {"OWNX": b"y"}
    assert state.own_annotations == {"OWNX": b"y"}
    assert current_context.annotations == {"OWNX": b"y"}


def test_a_request_without_correlation_id_gets_one_when_it_is_asked_for() -> None:
    state = serving()
    assert state.correlation is None

    first = current_context.correlation_id

    assert first is not None
    assert current_context.correlation_id == first
    assert state.correlation == first.bytes


def test_a_request_keeps_the_correlation_id_it_came_with() -> None:
    serving(correlation=REQUEST_ID.bytes)

    assert current_context.correlation_id == REQUEST_ID


def test_a_client_can_set_and_remove_its_correlation_id() -> None:
    current_context.correlation_id = REQUEST_ID
    assert current_context.correlation_id == REQUEST_ID

    current_context.correlation_id = None
    assert current_context.correlation_id is None


def test_annotations_of_a_client_can_be_changed_in_place() -> None:
    current_context.annotations["ABCD"] = b"x"  # type: ignore[index] # documented use

    assert current_context.annotations == {"ABCD": b"x"}


def test_assigned_annotations_are_copied() -> None:
    mine = {"ABCD": b"x"}
    current_context.annotations = mine
    current_context.response_annotations = mine
    mine.clear()

    assert current_context.annotations == {"ABCD": b"x"}
    assert current_context.response_annotations == {"ABCD": b"x"}


def test_response_annotations_of_a_method_reach_the_one_who_answers() -> None:
    state = serving()

    current_context.response_annotations["RSPX"] = b"1"
    assert state.response_annotations == {"RSPX": b"1"}

    current_context.response_annotations = {"RSPY": b"2"}
    assert state.response_annotations == {"RSPY": b"2"}


def test_the_remaining_items_can_be_set() -> None:
    client = object()
    current_context.client = client
    current_context.seq = 7
    current_context.msg_flags = 8
    current_context.serializer_id = 9

    assert current_context.client is client
    assert (current_context.seq, current_context.msg_flags) == (7, 8)
    assert current_context.serializer_id == 9


def test_another_thread_has_a_context_of_its_own() -> None:
    serving(sequence=5)
    current_context.correlation_id = REQUEST_ID

    def other() -> tuple[object, object]:
        seen = current_context.client, current_context.correlation_id
        current_context.correlation_id = uuid.uuid4()
        return seen

    assert in_thread(other) == (None, None)
    assert current_context.correlation_id == REQUEST_ID


def test_a_context_can_be_handed_to_another_thread() -> None:
    state = serving(sequence=5, annotations={"ABCD": b"x"})
    current_context.correlation_id = REQUEST_ID
    values = current_context.to_global()

    def other() -> tuple[object, ...]:
        current_context.from_global(values)
        seen = (
            current_context.client,
            current_context.seq,
            current_context.correlation_id,
        )
        current_context.correlation_id = None
        return seen

    assert in_thread(other) == (state.client, 5, REQUEST_ID)
    assert current_context.correlation_id == REQUEST_ID


def test_tasks_that_run_at_the_same_time_do_not_mix_their_contexts() -> None:
    seen: dict[int, object] = {}

    async def task(number: int, barrier: asyncio.Barrier) -> None:
        current_context.correlation_id = uuid.UUID(int=number)
        current_context.annotations = {"TASK": str(number).encode()}
        await barrier.wait()
        seen[number] = current_context.correlation_id, current_context.annotations

    async def main() -> None:
        # What the parent has set before is where its tasks begin.
        current_context.correlation_id = REQUEST_ID
        barrier = asyncio.Barrier(3)
        await asyncio.gather(*(task(number, barrier) for number in range(3)))
        assert current_context.correlation_id == REQUEST_ID

    asyncio.run(main())

    assert seen == {
        number: (uuid.UUID(int=number), {"TASK": str(number).encode()})
        for number in range(3)
    }


def test_a_task_begins_with_the_context_of_the_one_who_started_it() -> None:
    async def child() -> uuid.UUID | None:
        return current_context.correlation_id

    async def main() -> uuid.UUID | None:
        current_context.correlation_id = REQUEST_ID
        return await asyncio.create_task(child())

    assert asyncio.run(main()) == REQUEST_ID


def test_a_task_started_by_a_method_still_sees_the_request() -> None:
    state = serving(sequence=5)

    def inside() -> None:
        assert current_context.seq == 5
        current_context.response_annotations["RSPX"] = b"1"

    context: Context = copy_context()
    context.run(inside)

    assert state.response_annotations == {"RSPX": b"1"}


def test_tracked_resources_belong_to_the_client_and_are_weak() -> None:
    serving()
    resource, other = Resource(), Resource()

    current_context.track_resource(resource)
    current_context.track_resource(other)
    current_context.untrack_resource(other)

    client = current_context.client
    assert list(client.tracked_resources) == [resource]
    del resource
    assert list(client.tracked_resources) == []


def test_resources_can_only_be_tracked_while_serving() -> None:
    with pytest.raises(PyroError, match="serving a request"):
        current_context.track_resource(Resource())
    with pytest.raises(PyroError, match="serving a request"):
        current_context.untrack_resource(Resource())
