"""The async proxy as its user sees it: names, attributes, copies, batches."""

from __future__ import annotations

import asyncio
import copy
import gc
import inspect
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import URI, AsyncProxy, Proxy, RemoteCall, RemoteMember
from pyro_protocol import SerializedBlob, current_context
from pyro_protocol.config import Configuration
from pyro_protocol.errors import CommunicationError, PyroError
from pyro_protocol.wire import Frame
from support.event_loops import eventually_async, run
from support.hosting import DEADLINE, HostThread
from support.workbench import Drawer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from support.workbench import Workbench


# Construction


def test_making_a_proxy_needs_no_event_loop(closed_location: str) -> None:
    proxy = AsyncProxy(f"PYRO:bench@{closed_location}")
    assert proxy._pyroConnection is None
    assert proxy._pyroMethods == set()
    assert repr(proxy).endswith(f"not connected; for PYRO:bench@{closed_location}>")


def test_a_uri_of_another_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="int"):
        AsyncProxy(42)  # type: ignore[arg-type] # the point


def test_a_malformed_uri_is_refused_at_once() -> None:
    with pytest.raises(PyroError, match="uri"):
        AsyncProxy("PYRO:bench")


def test_time_out_and_retries_come_from_the_configuration() -> None:
    config = Configuration(use_environment=False)
    config.COMMTIMEOUT = 2.5
    config.MAX_RETRIES = 4
    proxy = AsyncProxy("PYRO:bench@localhost:1", config=config)
    assert proxy._pyroTimeout == 2.5
    assert proxy._pyroMaxRetries == 4


# Methods and attributes


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_a_method_is_called_and_an_attribute_read(uri: str, kind: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.add(2, 3) == 5
            assert await proxy.arguments(1, b=2) == [[1], {"b": 2}]
            assert await proxy.level == 1
            await proxy._pyro_set("level", 8)
            assert await proxy.level == 8
            assert "IPv4" in repr(proxy)
        assert proxy._pyroConnection is None

    run(main, kind)


@pytest.mark.parametrize("name", ["self", "method", "binding", "args", "name"])
def test_a_keyword_argument_may_have_any_name(uri: str, name: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.arguments(**{name: 1}) == [[], {name: 1}]

    run(main)


def test_names_work_before_it_is_known_what_they_are(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            level, add = proxy.level, proxy.add
            assert isinstance(level, RemoteMember)
            assert repr(add) == "<remote member 'add'>"
            assert [await level, await add(1, 1), await level] == [1, 2, 1]

    run(main)


def test_an_unknown_name_is_told_with_what_may_be_meant(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(AttributeError, match="mean 'level'"):
                await proxy.lvel
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(AttributeError, match="mean 'add'"):
                await proxy.ad(1, 2)
            # Now it is known.
            with pytest.raises(AttributeError, match="mean 'add'"):
                proxy.ad  # noqa: B018 - the point
            assert not hasattr(proxy, "nothing_like_it")

    run(main)


def test_a_private_name_is_refused_at_once() -> None:
    proxy = AsyncProxy("PYRO:bench@localhost:1")
    for name in ("_hidden", "__wrapped__", "__getstate_of__"[:-2], "_pyroSomething"):
        assert not hasattr(proxy, name)


def test_a_method_is_not_read_as_an_attribute(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(TypeError, match=r"await proxy.add\(...\)"):
                await proxy.add

    run(main)


def test_a_dotted_name_is_for_the_server_to_refuse(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(AttributeError, match=r"add\.real"):
                await proxy.add.real()

    run(main)


def test_an_assignment_tells_what_to_write_instead(uri: str) -> None:
    proxy = AsyncProxy(uri)
    with pytest.raises(AttributeError, match=r"await proxy\._pyro_set"):
        proxy.level = 3
    with pytest.raises(AttributeError, match="no attribute"):
        proxy._pyroNonsense = 3


def test_an_attribute_that_is_not_there_cannot_be_set(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(AttributeError, match="mean 'level'"):
                await proxy._pyro_set("levels", 3)

    run(main)


def test_a_call_is_a_coroutine_to_all_that_takes_one(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            task = asyncio.create_task(proxy.add(1, 2))
            async with asyncio.TaskGroup() as group:
                other = group.create_task(proxy.add(3, 4))
            assert await task + other.result() == 10
            assert await asyncio.wait_for(proxy.add(5, 6), DEADLINE) == 11
            assert list(await asyncio.gather(proxy.add(1, 1), proxy.level)) == [2, 1]
            call = proxy.add(1, 1)
            assert inspect.isawaitable(call)
            call.close()

    run(main)
    assert asyncio.run(AsyncProxy(uri).add(2, 2)) == 4


def test_a_call_can_be_awaited_once(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            call = proxy.add(1, 2)
            assert isinstance(call, RemoteCall)
            assert await call == 3
            with pytest.raises(RuntimeError, match="'add' was awaited already"):
                await call

    run(main)


def test_a_call_that_is_not_awaited_warns(bench: Workbench, uri: str) -> None:
    proxy = AsyncProxy(uri)
    with pytest.warns(RuntimeWarning, match="'add' was never awaited"):
        proxy.add(1, 2)
    assert bench.calls == 0


def test_dir_tells_what_the_object_offers(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy._pyroBind()
            assert not await proxy._pyroBind()
            assert {"add", "level", "_pyroBind"} <= set(dir(proxy))

    run(main)


def test_special_methods_are_awaited_by_name(host: HostThread) -> None:
    host.register(Drawer(["pen", "ruler"]), "drawer")

    async def main() -> None:
        async with AsyncProxy(f"PYRO:drawer@{host.location}") as drawer:
            assert await drawer.__len__() == 2
            assert await drawer.__getitem__(1) == "ruler"
            await drawer.__setitem__(0, "pencil")
            await drawer.__delitem__(1)
            assert await drawer.__contains__("pencil")
            assert await drawer.__add__(["x"]) == ["pencil", "x"]
            assert [one async for one in drawer] == ["pencil"]
            assert drawer
            with pytest.raises(TypeError):
                len(drawer)  # type: ignore[arg-type] # the point

    run(main)


def test_a_oneway_call_does_not_wait(uri: str, bench: Workbench) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert await proxy.note("seen") is None
            assert await asyncio.to_thread(bench.noted.acquire, timeout=DEADLINE)
            assert bench.notes == ["seen"]
            proxy._pyroOneway.add("add")
            assert await proxy.add(1, 2) is None

    run(main)


def test_an_exception_keeps_its_class_and_shows_the_remote_traceback(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            with pytest.raises(ValueError, match="stuck") as caught:
                await proxy.fail()
            assert caught.value.args == ("the vice is stuck", 7)
            assert any("remotely" in note for note in caught.value.__notes__)
            assert await proxy.add(1, 1) == 2

    run(main)


# Settings of a proxy


def test_a_serializer_can_be_chosen(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            proxy._pyroSerializer = "json"
            assert await proxy.echo((1, 2)) == [1, 2]
            proxy._pyroSerializer = None
            assert await proxy.echo((1, 2)) == (1, 2)
            proxy._pyroSerializer = "yaml"
            with pytest.raises(ValueError, match="yaml"):
                await proxy.echo(1)

    run(main)


def test_an_answer_can_be_had_as_it_was_received(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            proxy._pyroRawWireResponse = True
            assert isinstance(await proxy.add(1, 2), Frame)
            proxy._pyroRawWireResponse = False
            assert await proxy.add(1, 2) == 3

    run(main)


def test_a_blob_is_passed_on_as_it_is(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            blob = SerializedBlob("info", [1, 2])
            assert await proxy.blob(blob) == ["info", [1, 2]]

    run(main)


def test_annotations_and_correlation_ids_travel(uri: str) -> None:
    async def main() -> None:
        current_context.annotations = {"TEST": b"there"}
        async with AsyncProxy(uri) as proxy:
            assert (await proxy.annotations())["TEST"] == "there"
            await proxy.annotate("back")
            assert bytes(current_context.response_annotations["TEST"]) == b"back"

    run(main)


def test_two_tasks_send_each_its_own_annotations(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:

            async def one(text: bytes) -> str:
                current_context.annotations = {"TEST": text}
                seen: str = (await proxy.annotations())["TEST"]
                return seen

            texts = [b"%d" % number for number in range(20)]
            seen = await asyncio.gather(*map(one, texts))
            assert [text.encode() for text in seen] == texts

    run(main)


def test_local_address_sequence_and_metadata(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            assert proxy._pyroLocalSocket is None
            assert proxy._pyroSeq == 0
            await proxy.add(1, 1)
            address: Any = proxy._pyroLocalSocket
            assert address[0] == "127.0.0.1"
            assert proxy._pyroSeq == 1
            proxy._pyroMethods.clear()
            await proxy._pyroGetMetadata()
            assert "add" in proxy._pyroMethods

    run(main)


# Copies


def test_equality_and_hash_go_by_the_uri() -> None:
    one, same = AsyncProxy("PYRO:a@h:1"), AsyncProxy("PYRO:a@h:1")
    other = AsyncProxy("PYRO:b@h:1")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != Proxy("PYRO:a@h:1")


def test_copies_have_connections_of_their_own(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            proxy._pyroTimeout = DEADLINE
            await proxy.add(1, 1)
            for clone in (copy.copy(proxy), pickle.loads(pickle.dumps(proxy))):
                assert clone == proxy
                assert clone._pyroConnection is None
                assert "add" in clone._pyroMethods
                async with clone:
                    assert await clone.add(1, 1) == 2
            assert copy.copy(proxy)._pyroTimeout == DEADLINE

    run(main)


def test_references_become_async_proxies(host: HostThread, bench: Workbench) -> None:
    bench.lent = drawer = Drawer(["pen"])
    host.register(drawer, "drawer")

    async def main() -> None:
        async with AsyncProxy(f"PYRO:bench@{host.location}") as proxy:
            lent = await proxy.lend()
            assert type(lent) is AsyncProxy
            async with lent:
                assert await lent.__len__() == 1
            # As an argument it is the object itself to the server that has it.
            assert await proxy.echo({"deep": [lent]}) == {"deep": [lent]}

    run(main)
    with Proxy(f"PYRO:bench@{host.location}") as proxy:
        assert type(proxy.lend()) is Proxy


# Batches


def test_a_batch_gives_its_results_in_order(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            batch = proxy._pyroBatch()
            assert batch.add(1, 2) is None
            batch.repeat("x", times=3)
            assert len(batch) == 2
            results = await batch()
            assert results is not None
            assert list(results) == [3, "xxx"]
            assert results.error is None
            assert len(batch) == 0
            batch.add(5, 5)
            assert [one async for one in batch()] == [10]

    run(main)


def test_the_results_before_a_failed_call_are_there(uri: str, bench: Workbench) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            batch = proxy._pyroBatch()
            batch.add(1, 2)
            batch.fail()
            batch.add(3, 4)
            results = await batch()
            assert results is not None
            assert results.completed == [3]
            assert isinstance(results.error, ValueError)
            each = iter(results)
            assert next(each) == 3
            with pytest.raises(ValueError, match="stuck"):
                next(each)

    run(main)
    assert bench.calls == 1


def test_a_oneway_batch_has_no_results(uri: str, bench: Workbench) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            batch = proxy._pyroBatch()
            batch.note(1)
            batch.note(2)
            assert await batch(oneway=True) is None
            await eventually_async(lambda: bench.notes == [1, 2])

    run(main)


# Connecting


def test_connecting_from_many_tasks_makes_one_connection(
    host: HostThread, uri: str
) -> None:
    async def main() -> None:
        async with AsyncProxy(uri) as proxy:
            results = await asyncio.gather(*(proxy.add(n, 0) for n in range(100)))
            assert results == list(range(100))
            assert host.connection_count == 1

    run(main)


def test_a_proxy_serves_one_event_loop_after_the_other(uri: str) -> None:
    proxy = AsyncProxy(uri)
    add = proxy.add

    async def main() -> int:
        result: int = await add(1, 1)
        return result

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("asyncio", "asyncio"):
            assert run(main, kind) == 2


def test_a_release_closes_and_the_next_call_connects(
    host: HostThread, uri: str
) -> None:
    async def main() -> None:
        proxy = AsyncProxy(uri)
        await proxy.add(1, 1)
        await proxy._pyroRelease()
        await asyncio.to_thread(host.wait_for_client_gone)
        assert await proxy.add(1, 1) == 2
        await proxy._pyroReconnect(1)
        assert await proxy.add(1, 1) == 2
        await proxy._pyroRelease()

    run(main)


def test_a_dropped_proxy_closes_its_connection(host: HostThread, uri: str) -> None:
    async def main() -> None:
        proxy = AsyncProxy(uri)
        await proxy.add(1, 1)
        add = proxy.add
        del proxy
        gc.collect()
        assert await add(1, 1) == 2
        del add
        await asyncio.to_thread(host.wait_for_client_gone)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)


def test_the_end_of_the_event_loop_closes_the_connection(
    host: HostThread, uri: str
) -> None:
    proxy = AsyncProxy(uri)

    async def main() -> None:
        await proxy.add(1, 1)

    run(main)
    host.wait_for_client_gone()
    assert proxy._pyroConnection is None


def test_a_server_that_is_not_there_cannot_be_connected_to(
    closed_location: str,
) -> None:
    async def main() -> None:
        proxy = AsyncProxy(f"PYRO:bench@{closed_location}")
        for attempt in (proxy.add(1, 1), proxy._pyroBind(), proxy.level):
            with pytest.raises(CommunicationError, match="cannot connect") as caught:
                await attempt
            assert caught.value.outcome == "not_sent"

    run(main)


class Checking(AsyncProxy):
    async def _pyroValidateHandshake(self, response: Any) -> None:
        # The check may use the connection, and nobody else may.
        assert await self.add(1, 1) == 2
        raise PermissionError(f"not that one: {response}")


def test_a_proxy_whose_check_failed_is_not_usable(
    uri: str, host: HostThread, bench: Workbench
) -> None:
    async def main() -> None:
        proxy = Checking(uri)
        for _ in range(2):
            with pytest.raises(PermissionError, match="not that one: hello"):
                await proxy.echo(1)
            assert proxy._pyroConnection is None
            await asyncio.to_thread(host.wait_for_client_gone)

    run(main)
    assert bench.calls == 2


class Hooked(AsyncProxy):
    async def _pyroInvoke(
        self,
        methodname: str,
        vargs: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        flags: int = 0,
        objectId: str | None = None,
    ) -> Any:
        result = await super()._pyroInvoke(methodname, vargs, kwargs, flags, objectId)
        return methodname, result


def test_a_subclass_sees_all_calls(uri: str) -> None:
    async def main() -> None:
        async with Hooked(uri) as proxy:
            assert await proxy.add(1, 2) == ("add", 3)
            assert await proxy.level == ("__getattr__", 1)

    run(main)


def test_the_uri_can_be_changed_before_connecting(uri: str) -> None:
    async def main() -> None:
        async with AsyncProxy("PYRO:bench@localhost:1") as proxy:
            proxy._pyroUri = URI(uri)
            assert await proxy.add(2, 3) == 5

    run(main)
