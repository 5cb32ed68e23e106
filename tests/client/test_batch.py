"""Batches: several calls in one request."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest

from pyro_client import BatchProxy, Proxy, batch
from pyro_protocol.errors import PyroError, RemoteError, SerializeError
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY, Frame
from support.hosting import DEADLINE
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from support.workbench import Workbench

SERIALIZERS = [None, "serpent", "json", "msgpack"]


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_the_results_come_in_the_order_of_the_calls(
    proxy: Proxy, serializer: str | None
) -> None:
    proxy._pyroSerializer = serializer
    calls = BatchProxy(proxy)
    assert calls.add(1, 2) is None
    calls.arguments(1, two=2)
    calls.nothing()
    assert list(calls()) == [3, [[1], {"two": 2}], None]


def test_a_batch_is_one_request(proxy: Proxy) -> None:
    proxy._pyroBind()
    calls = proxy._pyroBatch()
    for number in range(100):
        calls.add(number, number)
    assert proxy._pyroSeq == 0
    assert list(calls()) == [2 * number for number in range(100)]
    assert proxy._pyroSeq == 1


def test_a_batch_is_empty_after_it_was_sent(proxy: Proxy, bench: Workbench) -> None:
    calls = batch(proxy)
    add = calls.add
    add(1, 2)
    assert len(calls) == 1
    assert list(calls()) == [3]
    assert len(calls) == 0
    # A method object of the batch can be used on.
    add(3, 4)
    assert list(calls()) == [7]
    assert bench.calls == 2


def test_an_empty_batch_gives_nothing(proxy: Proxy) -> None:
    assert list(BatchProxy(proxy)()) == []


@pytest.mark.parametrize("serializer", SERIALIZERS)
def test_results_before_a_failure_survive_and_the_exception_is_whole(
    proxy: Proxy, bench: Workbench, serializer: str | None
) -> None:
    proxy._pyroSerializer = serializer
    calls = BatchProxy(proxy)
    calls.add(1, 2)
    calls.add(3, 4)
    calls.fail_with_attributes()
    calls.add(5, 6)
    results = calls()
    assert [next(results), next(results)] == [3, 7]
    with pytest.raises(FileNotFoundError) as caught:
        next(results)
    assert caught.value.args == (2, "no such drawer")
    assert caught.value.shelf == 3  # type: ignore[attr-defined] # the point
    lines = caught.value._pyroTraceback  # type: ignore[attr-defined] # documented
    assert "fail_with_attributes" in "".join(lines)
    assert "occurred remotely" in "".join(caught.value.__notes__)
    assert list(results) == []
    assert bench.calls == 2


@pytest.mark.parametrize("name", ["attic", "_hidden"])
def test_names_are_not_checked_before_they_are_sent(proxy: Proxy, name: str) -> None:
    calls = BatchProxy(proxy)
    calls.add(1, 2)
    getattr(calls, name)()
    results = calls()
    assert next(results) == 3
    with pytest.raises(AttributeError, match=name):
        next(results)


def test_a_stream_in_a_batch_is_an_error_at_its_place(proxy: Proxy) -> None:
    calls = BatchProxy(proxy)
    calls.add(1, 2)
    calls.count(3)
    results = calls()
    assert next(results) == 3
    with pytest.raises(PyroError, match="stream"):
        next(results)


def test_a_result_that_cannot_be_sent_is_an_error_at_its_place(
    proxy: Proxy, bench: Workbench
) -> None:
    bench.lent = object()
    calls = BatchProxy(proxy)
    calls.add(1, 2)
    calls.lend()
    results = calls()
    assert next(results) == 3
    with pytest.raises(SerializeError, match="object"):
        next(results)


def test_an_exception_of_an_unknown_class_tells_what_it_was(proxy: Proxy) -> None:
    calls = BatchProxy(proxy)
    calls.fail_custom()
    with pytest.raises(RemoteError, match=r"CustomError: .*only known here"):
        next(calls())


def test_arguments_that_cannot_be_encoded_are_not_sent(proxy: Proxy) -> None:
    calls = BatchProxy(proxy)
    calls.add(object(), 1)
    with pytest.raises(SerializeError, match="object") as caught:
        calls()
    assert caught.value.outcome == "not_sent"


def test_a_oneway_batch_returns_none_and_runs(proxy: Proxy, bench: Workbench) -> None:
    calls = BatchProxy(proxy)
    calls.add(1, 2)
    calls.note("last")
    assert calls(oneway=True) is None
    assert bench.noted.acquire(timeout=DEADLINE)
    assert bench.calls == 1


def test_what_is_sent_is_a_list_of_names_and_arguments() -> None:
    requests: list[Frame] = []

    def script(peer: Peer) -> None:
        peer.admit()
        requests.append(peer.receive())
        peer.answer(requests[0], [3, "x"], flags=FLAG_BATCH)
        requests.append(peer.receive())

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        proxy._pyroSerializer = "json"
        calls = BatchProxy(proxy)
        calls.add(1, 2)
        calls.other(a=3)
        assert list(calls()) == [3, "x"]
        calls.add(1, 2)
        calls(oneway=True)
    first, second = requests
    assert (first.flags, second.flags) == (FLAG_BATCH, FLAG_BATCH | FLAG_ONEWAY)
    assert Peer.call_of(None, first) == (  # type: ignore[arg-type] # needs no peer
        "thing",
        "<batch>",
        [["add", [1, 2], {}], ["other", [], {"a": 3}]],
        None,
    )


def test_a_refused_batch_is_raised_at_once() -> None:
    # As Pyro5 does for a batch with a name it does not know.
    from pyro_protocol.wire import FLAG_EXCEPTION

    def script(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), AttributeError("no attic"), flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with ScriptedServer(script) as server, Proxy(server.uri) as proxy:
        calls = BatchProxy(proxy)
        calls.attic()
        with pytest.raises(AttributeError, match="no attic"):
            calls()


def test_a_copy_has_a_queue_of_its_own_and_the_same_proxy(proxy: Proxy) -> None:
    calls = BatchProxy(proxy)
    calls.add(1, 2)
    duplicate = copy.copy(calls)
    duplicate.add(3, 4)
    assert list(calls()) == [3]
    assert list(duplicate()) == [3, 7]


def test_the_with_block_does_nothing_by_itself(proxy: Proxy, bench: Workbench) -> None:
    with BatchProxy(proxy) as calls:
        calls.add(1, 2)
    assert bench.calls == 0
    assert list(calls()) == [3]
    assert proxy._pyroConnection is not None


def test_a_batch_is_always_true_and_shows_what_it_is(proxy: Proxy) -> None:
    calls = BatchProxy(proxy)
    assert calls
    calls.add(1, 2)
    assert "batch of 1 calls" in repr(calls)
    assert str(proxy._pyroUri) in repr(calls)


def test_a_batch_has_no_private_attributes_of_the_proxy(proxy: Proxy) -> None:
    with pytest.raises(AttributeError, match="_pyroTimeout"):
        BatchProxy(proxy)._pyroTimeout  # noqa: B018 - reading it is the point


def test_making_a_batch_connects_to_nothing(closed_location: str) -> None:
    proxy = Proxy(f"PYRO:bench@{closed_location}")
    calls = BatchProxy(proxy)
    calls.add(1, 2)
    assert proxy._pyroConnection is None
    with pytest.raises(PyroError, match="cannot connect"):
        calls()


def test_protocols_of_python_are_not_taken_for_remote_methods(proxy: Proxy) -> None:
    calls = BatchProxy(proxy)
    assert not hasattr(calls, "__array_interface__")
    with pytest.raises(TypeError):
        iter(calls)
    assert len(calls) == 0
    pickle.dumps(calls)
