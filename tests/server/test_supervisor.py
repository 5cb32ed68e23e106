"""``pyro-serve`` with worker processes: crashes, reloads and ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

import pytest

from pyro_protocol import URI, expose
from pyro_protocol.config import Configuration
from pyro_protocol.errors import ConnectionClosedError
from pyro_protocol.transport import BlockingChannel
from support.hosting import DEADLINE, HostThread
from support.names import Names
from support.pyro_serve import PyroServe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers need POSIX")

HOUSE = """
import os
from pyro_server import expose

COLOUR = "red"

@expose
class House:
    def pid(self):
        return os.getpid()

    def colour(self):
        return COLOUR

    def wait(self):
        print("waiting", flush=True)
        with open("go"):  # waits for the other end
            return "done"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "house.py").write_text(HOUSE)
    os.mkfifo(tmp_path / "go")
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., PyroServe]]:
    """Starts ``pyro-serve`` with one object, and ends it when the test is over."""
    with contextlib.ExitStack() as stack:

        def start(
            *arguments: str, target: str = "house:House", **settings: str
        ) -> PyroServe:
            return stack.enter_context(
                PyroServe(
                    *(target, "--name", "house", "--no-ns", *arguments),
                    folder=folder,
                    **settings,
                )
            )

        yield start


@pytest.fixture
def serve(start: Callable[..., PyroServe]) -> Callable[..., PyroServe]:
    """Starts ``pyro-serve`` and waits until it is ready."""

    def serve(*arguments: str, **settings: str) -> PyroServe:
        program = start(*arguments, **settings)
        program.wait_until_ready()
        return program

    return serve


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def paused(pid: int) -> Iterator[None]:
    """Keep a process from doing anything."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Callers:
    """Threads that connect, call and disconnect, again and again.

    Attributes:
        pids: the processes that have answered.
        lost: connections that ended before the answer had come.
        errors: whatever else went wrong.
    """

    def __init__(self, uri: URI, count: int = 3) -> None:
        self.pids: set[int] = set()
        self.lost = 0
        self.errors: list[Exception] = []
        self._uri = uri
        self._answered = threading.Condition()
        self._answers = 0
        self._over = False
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def _call(self) -> None:
        settings = Configuration(use_environment=False)
        while not self._over:
            try:
                channel = BlockingChannel.connect(
                    self._uri, config=settings, timeout=DEADLINE
                )
                with contextlib.closing(channel):
                    pid = channel.call("house", "pid")
            except ConnectionClosedError:
                self.lost += 1
            except Exception as error:  # noqa: BLE001 - for the test to see
                self.errors.append(error)
                return
            else:
                with self._answered:
                    self.pids.add(pid)
                    self._answers += 1
                    self._answered.notify_all()

    def wait_for_answers(self, count: int = 20) -> None:
        """Wait until so many more calls were answered."""
        with self._answered:
            enough = self._answers + count
            assert self._answered.wait_for(
                lambda: self._answers >= enough or self.errors, DEADLINE
            )
        assert not self.errors

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._over = True
        for thread in self._threads:
            thread.join(DEADLINE)


def test_workers_share_one_port(
    serve: Callable[..., PyroServe], connect: Callable[..., BlockingChannel]
) -> None:
    program = serve("--workers", "2")
    first, second = program.workers[1], program.workers[2]
    for stopped, other in [(first, second), (second, first)]:
        with paused(stopped):
            assert connect(program.uri).call("house", "pid") == other
    assert any("each has objects of its own" in line for line in program.lines)
    assert program.end() == 0
    program.wait_until_silent()
    assert not is_running(first)
    assert not is_running(second)


def test_a_worker_that_was_killed_comes_back_and_the_others_keep_working(
    serve: Callable[..., PyroServe], connect: Callable[..., BlockingChannel]
) -> None:
    program = serve("--workers", "2")
    killed, other = program.workers[1], program.workers[2]
    with Callers(program.uri) as callers:
        callers.wait_for_answers()
        os.kill(killed, signal.SIGKILL)
        program.wait_for(rf"ERROR .* worker 1 \(pid {killed}\) was ended by SIGKILL")
        assert not is_running(killed)
        callers.wait_for_answers()
        comer = program.wait_for_worker(1)
        # Now it has to be the new one that answers.
        with paused(other):
            assert connect(program.uri).call("house", "pid") == comer
        callers.wait_for_answers()
    assert not callers.errors
    assert callers.pids <= {killed, other, comer}
    assert program.end() == 0


def test_a_worker_that_ends_by_itself_is_started_again(
    serve: Callable[..., PyroServe],
) -> None:
    program = serve("--workers", "1")
    os.kill(program.workers[1], signal.SIGTERM)
    program.wait_for(r"worker 1 \(pid \d+\) ended with status 0; starting it again")
    program.wait_for_worker(1)
    assert program.end() == 0


def test_a_reload_replaces_all_workers_without_refusing_anybody(
    serve: Callable[..., PyroServe], folder: Path
) -> None:
    program = serve("--workers", "2")
    before = set(program.workers.values())
    with Callers(program.uri) as callers:
        callers.wait_for_answers()
        (folder / "house.py").write_text(HOUSE.replace('"red"', '"orange"'))
        program.send_signal(signal.SIGHUP)
        program.wait_for("the new workers are ready")
        callers.wait_for_answers()
        for _ in before:
            program.wait_for(r"pid \d+\) ended with status 0$")
        callers.pids.clear()
        callers.wait_for_answers()
    assert callers.errors == []
    # At most those whom an old worker had accepted, but not answered.
    assert callers.lost < 20
    after = set(program.workers.values())
    assert callers.pids <= after
    assert not before & after
    settings = Configuration(use_environment=False)
    channel = BlockingChannel.connect(program.uri, config=settings, timeout=DEADLINE)
    with contextlib.closing(channel):
        assert channel.call("house", "colour") == "orange"
    assert program.end() == 0


def test_a_reload_lets_the_old_workers_finish_their_calls(
    serve: Callable[..., PyroServe], raw: Callable[..., Any], folder: Path
) -> None:
    program = serve("--workers", "1")
    client = raw(program.uri)
    client.shake_hands()
    client.send(client.call_message("wait"))
    program.wait_for("^waiting$")
    program.send_signal(signal.SIGHUP)
    program.wait_for("the new workers are ready")
    with (folder / "go").open("w"):
        pass
    assert client.receive_value() == "done"
    assert program.end() == 0


def test_a_reload_that_cannot_succeed_leaves_the_old_workers(
    serve: Callable[..., PyroServe],
    connect: Callable[..., BlockingChannel],
    folder: Path,
) -> None:
    program = serve("--workers", "2")
    (folder / "house.py").write_text("import nonsense_of_the_test\n")
    program.send_signal(signal.SIGHUP)
    program.wait_for("importing module 'house' failed .*: nothing was reloaded")
    assert any("ModuleNotFoundError" in line for line in program.lines)
    assert connect(program.uri).call("house", "colour") == "red"
    (folder / "house.py").write_text(HOUSE)
    program.send_signal(signal.SIGHUP)
    program.wait_for("the new workers are ready")
    assert program.end() == 0


@pytest.mark.parametrize(
    ("workers", "number"),
    [
        ([], signal.SIGTERM),
        ([], signal.SIGINT),
        (["--servertype", "asyncio"], signal.SIGTERM),
        (["--workers", "1"], signal.SIGTERM),
        (["--workers", "1"], signal.SIGINT),
        (["--workers", "1", "--servertype", "multiplex"], signal.SIGTERM),
    ],
)
def test_a_call_that_runs_is_finished_at_the_end(
    serve: Callable[..., PyroServe],
    raw: Callable[..., Any],
    folder: Path,
    workers: list[str],
    number: signal.Signals,
) -> None:
    program = serve(*workers, "--log-level", "info")
    client = raw(program.uri)
    client.shake_hands()
    client.send(client.call_message("wait"))
    program.wait_for("^waiting$")
    program.send_signal(number)
    program.wait_for(f"{number.name}: finishing running calls, for at most 10 s")
    with (folder / "go").open("w"):
        pass
    assert client.receive_value() == "done"
    assert program.wait() == 0


def impatient_after(seconds: float, folder: Path) -> str:
    """Write a script that is the command, but for when a signal has come again."""
    script = folder / "impatient.py"
    script.write_text(
        "import sys\nfrom pyro_server import steering\n"
        f"steering.IMPATIENCE_SECONDS = {seconds}\n"
        "from pyro_server.cli import main\nsys.exit(main())\n"
    )
    return os.fspath(script)


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_what_comes_within_a_moment_is_one_signal_that_came_by_two_ways(
    serve: Callable[..., PyroServe],
    raw: Callable[..., Any],
    folder: Path,
    workers: list[str],
) -> None:
    program = serve(*workers, "--log-level=info", wrapper=impatient_after(1000, folder))
    client = raw(program.uri)
    client.shake_hands()
    client.send(client.call_message("wait"))
    program.wait_for("^waiting$")
    program.send_signal(signal.SIGTERM)
    program.wait_for("SIGTERM: finishing running calls")
    program.send_signal(signal.SIGTERM)
    program.send_signal(signal.SIGUSR1)
    program.wait_for("status: ")
    with (folder / "go").open("w"):
        pass
    assert client.receive_value() == "done"
    assert program.wait() == 0


@pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
def test_a_second_signal_ends_it_at_once(
    serve: Callable[..., PyroServe],
    raw: Callable[..., Any],
    folder: Path,
    workers: list[str],
) -> None:
    program = serve(
        *workers,
        *("--unix", "socket", "--ready-file", "ready", "--log-level=info"),
        wrapper=impatient_after(0, folder),
    )
    client = raw(URI(f"PYRO:house@./u:{folder}/socket"))
    client.shake_hands()
    client.send(client.call_message("wait"))
    program.wait_for("^waiting$")
    program.send_signal(signal.SIGTERM)
    program.wait_for("SIGTERM: finishing running calls")
    program.send_signal(signal.SIGTERM)
    assert program.wait() == 1
    program.wait_until_silent()
    assert not (folder / "socket").exists()
    assert not (folder / "ready").exists()


def test_a_call_that_does_not_end_is_given_up_after_the_drain(
    serve: Callable[..., PyroServe], raw: Callable[..., Any]
) -> None:
    program = serve("--workers", "1", "--drain", "0.1")
    client = raw(program.uri)
    client.shake_hands()
    client.send(client.call_message("wait"))
    program.wait_for("^waiting$")
    program.send_signal(signal.SIGTERM)
    assert program.wait() == 0


def test_no_worker_outlives_a_supervisor_that_was_killed(
    serve: Callable[..., PyroServe],
) -> None:
    program = serve("--workers", "2")
    assert program.end(signal.SIGKILL) == -signal.SIGKILL
    program.wait_until_silent()
    assert any("the supervisor is gone" in line for line in program.lines)


def test_a_worker_that_is_still_starting_notices_it_too(
    start: Callable[..., PyroServe], folder: Path
) -> None:
    (folder / "slow.py").write_text("print('importing', flush=True)\nopen('go')\n")
    program = start("--workers", "1", target="slow:House")
    program.wait_for("^importing$")
    program.end(signal.SIGKILL)
    program.wait_until_silent()


def test_a_supervisor_can_start_where_another_was_killed(
    serve: Callable[..., PyroServe],
    connect: Callable[..., BlockingChannel],
    folder: Path,
) -> None:
    program = serve("--workers", "1", "--unix", "socket")
    program.end(signal.SIGKILL)
    program.wait_until_silent()
    assert (folder / "socket").exists()
    program = serve("--workers", "1", "--unix", "socket")
    channel = connect(URI(f"PYRO:house@./u:{folder}/socket"))
    assert channel.call("house", "colour") == "red"
    assert program.end() == 0
    assert not (folder / "socket").exists()


def test_what_prevents_serving_is_said_once(
    start: Callable[..., PyroServe], folder: Path
) -> None:
    program = start("--workers", "2", target="hose:House")
    assert program.wait() == 1
    said = [line for line in program.lines if line.startswith("pyro-serve: ")]
    assert len(said) == 1
    assert "module 'hose' was not found" in said[0]
    (folder / "broken.py").write_text("1 / 0\n")
    program = start("--workers", "1", target="broken:House")
    assert program.wait() == 1
    assert "ZeroDivisionError: division by zero" in program.lines
    assert program.lines[-1].startswith("pyro-serve: importing module 'broken' failed")


def test_workers_that_die_again_and_again_are_given_up(
    start: Callable[..., PyroServe], folder: Path
) -> None:
    (folder / "fatal.py").write_text("import os\nos._exit(3)\n")
    program = start("--workers", "1", target="fatal:House")
    assert program.wait() == 1
    again = [line for line in program.lines if "starting it again in" in line]
    assert len(again) == 4
    assert program.lines[-1].startswith("pyro-serve: giving up: 5 times in a row")
    assert program.lines[-1].endswith("ended with status 3")


def test_a_signal_before_it_is_ready_ends_it(
    start: Callable[..., PyroServe], folder: Path
) -> None:
    (folder / "slow.py").write_text("print('importing', flush=True)\nopen('go')\n")
    for options in ([], ["--workers", "1"]):
        program = start(*options, target="slow:House")
        program.wait_for("^importing$")
        assert program.end() == 0


def test_the_state_is_logged_on_demand(
    serve: Callable[..., PyroServe], connect: Callable[..., BlockingChannel]
) -> None:
    program = serve("--workers", "2")
    channel = connect(program.uri)
    assert channel.call("house", "colour") == "red"
    program.send_signal(signal.SIGUSR1)
    program.wait_for(r"\[supervisor.* status: worker 1 \(pid \d+\): ready for")
    for _ in range(2):
        program.wait_for(r"\[worker \d.* status: .*localhost:\d+")
    assert program.end() == 0


def test_a_state_is_logged_without_workers_too(serve: Callable[..., PyroServe]) -> None:
    program = serve()
    program.send_signal(signal.SIGUSR1)
    program.wait_for(r" status: .*localhost:\d+")
    # As when its terminal is closed.
    assert program.end(signal.SIGHUP) == 0


def test_workers_and_names(
    folder: Path, connect: Callable[..., BlockingChannel]
) -> None:
    names = Names()
    with HostThread() as host:
        host.register(names, "Pyro.NameServer")
        ns_host, port = host.location.split(":")
        with PyroServe(
            *("house:House", "--name", "house", "--workers", "2"),
            folder=folder,
            PYRO_NS_HOST=ns_host,
            PYRO_NS_PORT=port,
        ) as program:
            program.wait_until_ready()
            assert names.calls == ["register house"]
            uri = URI(names.registered["house"][0])
            assert connect(uri).call("house", "colour") == "red"
            assert program.end() == 0
        assert names.registered == {}


def test_names_are_gone_before_the_workers_are(
    folder: Path, connect: Callable[..., BlockingChannel]
) -> None:
    class CallingNames(Names):
        @expose
        def remove(self, *args: Any, **kwargs: Any) -> int:
            uri = URI(self.registered["house"][0])
            self.calls.append(connect(uri).call("house", "colour"))
            return super().remove(*args, **kwargs)

    names = CallingNames()
    with HostThread() as host:
        host.register(names, "Pyro.NameServer")
        ns_host, port = host.location.split(":")
        for options in (["--workers", "2"], []):
            with PyroServe(
                *("house:House", "--name", "house", *options),
                folder=folder,
                PYRO_NS_HOST=ns_host,
                PYRO_NS_PORT=port,
            ) as program:
                program.wait_until_ready()
                assert program.end() == 0
            assert names.calls[-2:] == ["red", "remove house"]


def test_a_name_that_is_taken_ends_the_workers(folder: Path) -> None:
    names = Names()
    names.registered["house"] = ("PYRO:other@localhost:1", set())
    with HostThread() as host:
        host.register(names, "Pyro.NameServer")
        ns_host, port = host.location.split(":")
        with PyroServe(
            *("house:House", "--name", "house", "--workers", "2"),
            folder=folder,
            PYRO_NS_HOST=ns_host,
            PYRO_NS_PORT=port,
        ) as program:
            assert program.wait() == 1
            assert "already registered: house; choose" in program.lines[-1]
            assert not any("daemon running" in line for line in program.lines)
    assert names.registered["house"][0] == "PYRO:other@localhost:1"


def test_a_port_in_use_is_named_once(start: Callable[..., PyroServe]) -> None:
    with socket.create_server(("localhost", 0)) as sock:
        port = str(sock.getsockname()[1])
        program = start("--workers", "2", "--port", port)
        assert program.wait() == 1
    assert program.lines[-1].startswith(
        f"pyro-serve: cannot listen on localhost:{port}"
    )


class TestReload:
    """``--reload``, for development."""

    def test_an_edit_is_picked_up(
        self,
        serve: Callable[..., PyroServe],
        connect: Callable[..., BlockingChannel],
        folder: Path,
    ) -> None:
        program = serve("--reload")
        assert connect(program.uri).call("house", "colour") == "red"
        # Of the same length, and within the same second perhaps.
        (folder / "house.py").write_text(HOUSE.replace("red", "tan"))
        program.wait_for(r"house\.py: starting anew")
        program.wait_for_worker(1)
        assert connect(program.uri).call("house", "colour") == "tan"
        assert program.end() == 0

    def test_a_mistake_is_shown_and_waited_out(
        self,
        serve: Callable[..., PyroServe],
        connect: Callable[..., BlockingChannel],
        folder: Path,
    ) -> None:
        program = serve("--reload")
        (folder / "house.py").write_text("class House\n")
        program.wait_for("importing module 'house' failed with SyntaxError; waiting")
        assert any("class House" in line for line in program.lines)
        (folder / "house.py").write_text("import rooms_of_the_house\n" + HOUSE)
        program.wait_for("failed with ModuleNotFoundError; waiting")
        (folder / "rooms_of_the_house.py").write_text("")
        program.wait_for_worker(1)
        assert connect(program.uri).call("house", "colour") == "red"
        assert program.end() == 0

    def test_it_may_begin_with_a_mistake(
        self, start: Callable[..., PyroServe], folder: Path
    ) -> None:
        (folder / "house.py").write_text("class House:\n    pass\n")
        program = start("--reload")
        program.wait_for("house:House exposes nothing.*; waiting for a change")
        (folder / "house.py").write_text(HOUSE)
        program.wait_until_ready()
        assert program.end() == 0

    def test_modules_imported_later_count_too(
        self,
        serve: Callable[..., PyroServe],
        connect: Callable[..., BlockingChannel],
        folder: Path,
    ) -> None:
        (folder / "garden.py").write_text("TREES = 1\n")
        late = "\n    def trees(self):\n        import garden; return garden.TREES\n"
        (folder / "house.py").write_text(HOUSE + late)
        program = serve("--reload", "--log-level", "debug")
        assert connect(program.uri).call("house", "trees") == 1
        program.wait_for(r"watching .*garden\.py")
        (folder / "garden.py").write_text("TREES = 22\n")
        program.wait_for(r"garden\.py: starting anew")
        program.wait_for_worker(1)
        assert connect(program.uri).call("house", "trees") == 22
        assert program.end() == 0
