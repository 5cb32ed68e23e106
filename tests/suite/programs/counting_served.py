"""Counts what a request makes the name server and the web gateway execute.

Prints one JSON object: for each kind of request, how many bytecodes it takes in the
packages of this project, in what serves it and in the client. What the event loop and
other libraries take is left out; it is not ours to change.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httptools

from pyro_httpgw.asgi import AsgiApplication
from pyro_httpgw.serving.guarding import ConnectionGuard
from pyro_httpgw.serving.http_connection import HttpConnection, ServerState
from pyro_naming import AsyncNameServerDaemon
from pyro_protocol.naming import NameServerClient
from pyro_suite import Configuration, Daemon, behavior, expose

sys.path.insert(0, str(Path(__file__).parents[2]))

from suite.programs.counting import Count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

ROUNDS = 5
WARM_UP = 60
AT_ONCE = 20
NAMES = [f"lab.room{number:05}.lamp" for number in range(AT_ONCE)]
REQUEST = b"GET /pyro/http.lamp/shine?colour=red HTTP/1.1\r\nHost: localhost\r\n\r\n"
SETTINGS = Configuration(use_environment=False)


class OwnCount(Count):
    """Counts in the packages of this project only."""

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        if not str(frame.f_globals.get("__name__")).startswith("pyro_"):
            return None
        return super().trace(frame, event, argument)


@expose
@behavior(instance_mode="single")
class Lamp:
    """What is called."""

    def shine(self, colour: str, brightness: str = "1") -> dict[str, str]:
        return {"colour": colour, "brightness": brightness}


@contextmanager
def looping(start: Callable[[], Any], count: Count | None) -> Iterator[Any]:
    """Have a loop in a thread, whose bytecodes are counted; yield what it starts."""
    loop = asyncio.new_event_loop()
    threading.settrace(None if count is None else count.trace)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    threading.settrace(None)
    started, stop = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield started
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def name_server(storage: str, count: Count | None = None) -> Iterator[NameServerClient]:
    """Run a name server, and yield a client of it."""

    async def start() -> tuple[Any, Any]:
        daemon = AsyncNameServerDaemon(
            *("127.0.0.1", 0, False), storage=storage, config=SETTINGS
        )
        await daemon.start()
        return daemon.uri, daemon.stop

    with (
        looping(start, count) as uri,
        NameServerClient(uri, config=SETTINGS) as names,
    ):
        yield names


@contextmanager
def gateway(names: NameServerClient, count: Count) -> Iterator[socket.socket]:
    """Run a web gateway, and yield a connection to it."""
    uri = names._pyroUri
    settings = Configuration(use_environment=False)
    settings.NS_HOST, settings.NS_PORT = uri.host or "", uri.port or 0
    state = ServerState()
    state.connections, state.tasks, state.total_requests = set(), set(), 0
    state.default_headers = [(b"date", b"today")]

    async def start() -> tuple[Any, Any]:
        application = AsgiApplication(settings)
        guard = ConnectionGuard(10)
        server = await asyncio.get_running_loop().create_server(
            lambda: HttpConnection(
                application, guard, httptools.HttpRequestParser, state
            ),
            *("127.0.0.1", 0),
        )

        async def stop() -> None:
            server.close()
            await application.aclose()

        return server.sockets[0].getsockname(), stop

    with (
        looping(start, count) as address,
        socket.create_connection(address) as connection,
    ):
        yield connection


def counted(work: Callable[[], object], served: Count) -> dict[str, float]:
    """Return what it takes, the least of some rounds; what is done once is done."""
    client = OwnCount()
    for _ in range(WARM_UP // AT_ONCE):
        work()
    rounds = []
    for _ in range(ROUNDS):
        before = client.read()[0], served.read()[0]
        sys.settrace(client.trace)
        work()
        sys.settrace(None)
        after = client.read()[0], served.read()[0]
        rounds.append([(b - a) / AT_ONCE for a, b in zip(before, after, strict=True)])
    least = map(min, zip(*rounds, strict=True))
    return dict(zip(("client", "served"), least, strict=True))


def look_up(names: NameServerClient) -> None:
    for name in NAMES:
        names.lookup(name)


def register(names: NameServerClient) -> None:
    for name in NAMES:
        names.register(name, "PYRO:lamp@host.example.org:4444", metadata=["a", "b"])


def request(connection: socket.socket) -> None:
    for _ in NAMES:
        connection.sendall(REQUEST)
        answer = connection.recv(65536)
        assert answer.endswith(b'\r\n\r\n{"colour": "red", "brightness": "1"}'), answer


def main() -> None:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, storage in {
            "memory": "memory",
            "sqlite": f"sql:{Path(folder) / 'names.sqlite'}",
        }.items():
            served = OwnCount()
            with name_server(storage, served) as names:
                register(names)
                found[f"look-up, {kind}"] = counted(lambda: look_up(names), served)
                found[f"registration, {kind}"] = counted(
                    lambda: register(names), served
                )
    served = OwnCount()
    with ExitStack() as running:
        names = running.enter_context(name_server("memory"))
        daemon = running.enter_context(Daemon(host="127.0.0.1", config=SETTINGS))
        names.register("http.lamp", daemon.register(Lamp))
        serving = threading.Thread(target=daemon.requestLoop)
        serving.start()
        running.callback(serving.join)
        running.callback(daemon.shutdown)
        connection = running.enter_context(gateway(names, served))
        found["request of the gateway"] = counted(lambda: request(connection), served)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
