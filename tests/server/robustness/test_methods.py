"""Methods that misbehave: their callers get an error, the others do not notice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import BatchProxy, Proxy
from pyro_protocol.errors import ConnectionClosedError, PyroError
from pyro_protocol.errors import TimeoutError as PyroTimeoutError
from pyro_protocol.wire import FLAG_ONEWAY
from server.robustness.world import Callers, plain_settings
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.robustness.world import ServerProcess
    from support.daemons import RawClient

EXITS = (
    *("SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError"),
    *("BaseException", "MemoryError", "RecursionError", "StopIteration"),
)


@pytest.mark.parametrize("method", ["leave", "leave_later"])
def test_a_method_that_wants_to_leave_is_an_error_for_its_caller(
    method: str, callers: Callers, offender: Proxy
) -> None:
    for name in 2 * EXITS:
        with pytest.raises(BaseException, match=r"leave|StopIteration"):
            getattr(offender, method)(name)
        assert offender.add(1, 2) == 3


def test_a_stream_that_wants_to_leave_ends_for_its_reader(
    callers: Callers, offender: Proxy
) -> None:
    for name in EXITS:
        stream = offender.items_then_leave(name)
        assert next(stream) == 1
        with pytest.raises(BaseException, match=r"leave|StopIteration"):
            next(stream)
        assert offender.add(1, 2) == 3


def test_in_a_batch_it_takes_the_place_of_a_result(
    callers: Callers, offender: Proxy
) -> None:
    for name in EXITS:
        batch = BatchProxy(offender)
        batch.add(1, 2)
        batch.leave(name)
        results = batch()
        assert next(results) == 3
        with pytest.raises(BaseException, match=r"leave|StopIteration"):
            next(results)
        assert offender.add(1, 2) == 3


def test_in_oneway_calls_it_costs_no_workers(
    callers: Callers, attack: Callable[[], RawClient]
) -> None:
    client = attack()
    client.shake_hands()
    for name in 3 * EXITS:
        client.send(client.call_message("leave", name, flags=FLAG_ONEWAY))
        client.send(client.call_message("leave_later", name, flags=FLAG_ONEWAY))
    assert client.call("add", 1, 2) == 3


CASES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "an unserializable result": ("lock", ()),
    "a result deeper than any stack": ("deep", ()),
    "a result that contains itself": ("endless", ()),
    "an annotation with a short name": ("annotate", ("XY",)),
    "an annotation with a long name": ("annotate", ("LONGNAME",)),
    "an annotation whose name is not ASCII": (
        "annotate",
        ("\u00e4\u00f6\u00fc\u00df",),
    ),
    "an annotation that is text": ("annotate_with", ("text",)),
    "an annotation that is nothing": ("annotate_with", ("nothing",)),
    "an annotation that is a number": ("annotate_with", ("number",)),
    "an error without a text": ("fail", ("unspeakable",)),
    "an error that cannot be written": ("fail", ("unsendable",)),
    "an error that shows no attributes": ("fail", ("unhelpful",)),
    "an error that is its own argument": ("fail_with_itself", ()),
    "an endless recursion": ("fail_deeply", ()),
}


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_answered_is_answered_with_an_error(
    case: str, server: ServerProcess, callers: Callers
) -> None:
    method, arguments = CASES[case]
    for serializer in ("auto", "serpent", "json", "msgpack"):
        settings = plain_settings(SERIALIZER=serializer)
        with Proxy(server.uri(), config=settings) as offender:
            offender._pyroTimeout = DEADLINE
            for _ in range(2):
                with pytest.raises(Exception, match=r".") as caught:
                    getattr(offender, method)(*arguments)
                # An answer, and not the lack of one.
                assert not isinstance(
                    caught.value, ConnectionClosedError | PyroTimeoutError
                )
                assert offender.add(1, 2) == 3


def test_a_hook_for_annotations_that_fails_costs_answers_and_no_worker(
    serve: Callable[..., ServerProcess],
) -> None:
    server = serve(settings={"HOOKED": "1"})
    switch = Proxy(server.uri("switch"), config=plain_settings())
    with switch:
        switch._pyroTimeout = DEADLINE
        with pytest.raises(Exception, match="the hook for annotations fails"):
            switch.fail(failing=True)
        for _ in range(20):
            with (
                Proxy(server.uri(), config=plain_settings()) as refused,
                pytest.raises(PyroError, match="the hook for annotations fails"),
            ):
                refused.add(1, 2)
        switch.fail(failing=False)
    with Callers(server.uri()):
        pass
