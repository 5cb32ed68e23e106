"""The asyncio host in an event loop that runs: joined, cancelled, left and closed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import expose
from pyro_protocol.config import Configuration
from pyro_protocol.errors import CommunicationError, PyroError
from pyro_protocol.transport import BlockingChannel
from pyro_server import Daemon
from support.event_loops import uvloop_factory
from support.gate import Gate
from support.hosting import DEADLINE
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from pyro_protocol import URI


@expose
class Thing:
    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.left: list[str] = []

    def thread(self) -> str:
        return threading.current_thread().name

    async def thread_later(self) -> str:
        return threading.current_thread().name

    async def wait(self) -> None:
        self.entered.release()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.append("cancelled")


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine to its end, in each kind of event loop there is."""
    factory = None
    if request.param == "uvloop":
        factory = uvloop_factory()

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(coroutine, DEADLINE))

    return run


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = make_daemon()
    yield daemon
    daemon.close()


def make_daemon(servertype: str = "asyncio") -> Daemon:
    settings = Configuration(use_environment=False)
    settings.SERVERTYPE = servertype
    return Daemon(config=settings)


def call(uri: URI, method: str, *args: object) -> Any:
    plain = Configuration(use_environment=False)
    channel = BlockingChannel.connect(uri, config=plain, timeout=DEADLINE)
    try:
        return channel.call(str(uri.object), method, args)
    finally:
        channel.close()


@contextlib.asynccontextmanager
async def served(daemon: Daemon) -> Any:
    """Serve a daemon in a task, which is cancelled at the end."""
    task = asyncio.create_task(daemon.serve_forever())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class TestServing:
    def test_coroutine_methods_run_in_the_event_loop_and_others_in_workers(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        uri = daemon.register(Thing(), "thing")

        async def main() -> None:
            async with served(daemon):
                own = threading.current_thread().name
                assert await asyncio.to_thread(call, uri, "thread_later") == own
                worker = await asyncio.to_thread(call, uri, "thread")
                assert worker.startswith("pyro-worker")

        run(main())
        # Nothing but the workers was started for it.
        names = {one.name for one in threading.enumerate()}
        assert "pyro-asyncio" not in names

    def test_two_daemons_share_one_event_loop(self, run: Callable[..., Any]) -> None:
        async def main() -> None:
            async with make_daemon() as one, make_daemon() as other:
                uris = [each.register(Thing(), "thing") for each in (one, other)]
                async with served(one), served(other):
                    for uri in uris:
                        name = await asyncio.to_thread(call, uri, "thread_later")
                        assert name == threading.current_thread().name
                    one.shutdown()
                    assert await asyncio.to_thread(call, uris[1], "thread")

        run(main())

    @pytest.mark.parametrize("servertype", ["thread", "multiplex"])
    def test_other_server_types_have_no_event_loop(
        self, run: Callable[..., Any], servertype: str
    ) -> None:
        with make_daemon(servertype) as other, pytest.raises(PyroError, match="lives"):
            run(other.serve_forever())

    def test_a_daemon_is_served_once_at_a_time(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        async def main() -> None:
            async with served(daemon) as first:
                await asyncio.sleep(0)
                with pytest.raises(PyroError, match="served already"):
                    await daemon.serve_forever()
                first.cancel()
                # It is still leaving.
                await asyncio.sleep(0)
                with pytest.raises(PyroError, match="served already"):
                    await daemon.serve_forever()

        run(main())

    def test_a_running_event_loop_cannot_be_entered_again(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        async def main() -> None:
            with pytest.raises(RuntimeError):
                daemon.requestLoop()

        with pytest.warns(RuntimeWarning, match="never awaited"):
            run(main())

    def test_an_exception_of_the_condition_ends_it(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        def condition() -> bool:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run(daemon.transportServer.serve(condition))  # type: ignore[union-attr] # an asyncio host

    def test_it_ends_when_the_condition_is_false(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        run(daemon.transportServer.serve(lambda: False))  # type: ignore[union-attr] # an asyncio host


class TestEnding:
    def test_cancelling_leaves_the_daemon_open_to_be_served_again(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        uri = daemon.register(Thing(), "thing")

        async def main() -> None:
            for _ in range(3):
                async with served(daemon):
                    assert await asyncio.to_thread(call, uri, "thread_later")

        run(main())
        # In another event loop as well.
        run(main())

    @pytest.mark.parametrize("drain", [None, DEADLINE])
    def test_it_can_be_closed_from_another_thread(
        self, run: Callable[..., Any], daemon: Daemon, drain: float | None
    ) -> None:
        uri = daemon.register(Thing(), "thing")

        async def main() -> None:
            task = asyncio.create_task(daemon.serve_forever())
            assert await asyncio.to_thread(call, uri, "thread")
            await asyncio.to_thread(daemon.shutdown, drain)
            await task

        run(main())
        assert "closed" in repr(daemon)
        with pytest.raises(CommunicationError):
            call(uri, "thread")

    def test_it_can_be_closed_from_within_the_event_loop(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        async def main() -> None:
            task = asyncio.create_task(daemon.serve_forever())
            await asyncio.sleep(0)
            daemon.shutdown()
            await task

        run(main())
        assert "closed" in repr(daemon)

    def test_closing_before_it_is_served_ends_it_at_once(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        daemon.close()
        run(daemon.serve_forever())

    def test_as_a_context_manager_it_is_closed_and_its_coroutines_are_stopped(
        self, run: Callable[..., Any]
    ) -> None:
        thing = Thing()

        async def main() -> Any:
            async with make_daemon() as daemon:
                uri = daemon.register(thing, "thing")
                async with served(daemon):
                    calling = asyncio.create_task(asyncio.to_thread(call, uri, "wait"))
                    await asyncio.to_thread(thing.entered.acquire, timeout=DEADLINE)
            assert "closed" in repr(daemon)
            with pytest.raises(Exception, match=r"CancelledError|closed"):
                await calling

        run(main())
        assert thing.left == ["cancelled"]

    def test_a_call_that_outlives_the_event_loop_is_answered_in_the_next(
        self, run: Callable[..., Any], daemon: Daemon
    ) -> None:
        gate = Gate()
        uri = daemon.register(gate, "gate")

        async def first() -> None:
            async with served(daemon):
                await asyncio.to_thread(gate.wait_for_visitors)

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(call, uri, "enter", 5)
            run(first())
            gate.open()

            async def second() -> Any:
                async with served(daemon):
                    return await asyncio.wrap_future(answer)

            assert run(second()) == 5


@pytest.mark.parametrize("way", ["requestLoop()", "serve"])
def test_an_interrupt_ends_the_program(tmp_path: Path, way: str) -> None:
    script = tmp_path / "server.py"
    serving = "asyncio.run(main())" if way == "serve" else f"daemon.{way}"
    script.write_text(f"""
import asyncio
from pyro_server import Daemon
daemon = Daemon()
async def main():
    async with daemon:
        await daemon.serve_forever()
print("URI", daemon.uriFor("Pyro.Daemon"))
try:
    {serving}
except KeyboardInterrupt:
    pass
daemon.close()
print("CLOSED", daemon)
""")
    with Program(script, settings={"PYRO_SERVERTYPE": "asyncio"}) as program:
        uri = program.wait_for(r"^URI (.*)$")[1]
        from pyro_protocol import URI

        assert call(URI(uri), "ping") is None
        program._process.send_signal(signal.SIGINT)
        program.wait_for("^CLOSED .*closed")
        assert program.wait() == 0
        assert not [line for line in program.lines if "Traceback" in line]
