from __future__ import annotations

import asyncio
import json
import socket
from contextlib import closing
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pyro_naming import AsyncNameServerDaemon
from pyro_naming.broadcast import MOST_ANSWERS, BroadcastServer, answer_to, takes_ipv4
from pyro_protocol import URI, Configuration
from pyro_protocol.errors import CommunicationError
from pyro_protocol.naming import locate_ns_async
from support.hosting import DEADLINE
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
URI_TEXT = "PYRO:Pyro.NameServer@127.0.0.1:25602"
VECTORS = Path(__file__).parents[1] / "vectors" / "nameserver-broadcast.json"


def ask(*requests: bytes, uri: str = URI_TEXT) -> bytes:
    """Return what a responder answers first to some datagrams."""

    async def converse() -> bytes:
        responder = await BroadcastServer.start(URI(uri), LOOPBACK, 0)
        host, port = responder.locationStr.split(":")
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0)
            sock.connect((host, int(port)))
            for request in requests:
                sock.send(request)
            async with asyncio.timeout(DEADLINE):
                answer = await loop.sock_recv(sock, 1000)
        responder.close()
        return answer

    return asyncio.run(converse())


def test_the_recorded_question_gets_the_recorded_answer() -> None:
    question, answer = (
        bytes.fromhex(one["hex"]) for one in json.loads(VECTORS.read_text("utf-8"))
    )
    assert ask(question) == answer == URI_TEXT.encode("iso-8859-1")


@pytest.mark.parametrize(
    "nonsense", [b"", b"GET_NSURI ", b"get_nsuri", b"GET_NSUR", b"\xff" * 2000]
)
def test_nothing_else_is_answered(nonsense: bytes) -> None:
    # Datagrams on the loopback interface keep their order: an answer to the first
    # would come first.
    other = "PYRO:Pyro.NameServer@192.0.2.1:1"
    assert ask(nonsense, b"GET_NSURI", uri=other) == other.encode()


def test_all_interfaces_are_told_as_the_address_the_asker_reaches() -> None:
    assert ask(b"GET_NSURI", uri="PYRO:Pyro.NameServer@0.0.0.0:25602") == (
        URI_TEXT.encode()
    )


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("@0.0.0.0:1", "@127.0.0.1:1"),
        ("@[::]:1", "@127.0.0.1:1"),
        ("@[::ffff:127.0.0.1]:1", "@127.0.0.1:1"),
        ("@[::ffff:0.0.0.0]:1", "@127.0.0.1:1"),
        ("@localhost:1", "@127.0.0.1:1"),
        ("@127.0.0.9:1", "@127.0.0.9:1"),
        # It may be another interface of this machine.
        ("@192.0.2.1:1", "@192.0.2.1:1"),
        ("@names.example.org:1", "@names.example.org:1"),
    ],
)
def test_an_asker_is_told_an_address_it_can_use(uri: str, told: str) -> None:
    answer = ask(b"GET_NSURI", uri=f"PYRO:Pyro.NameServer{uri}")
    assert answer == f"PYRO:Pyro.NameServer{told}".encode()


ELSEWHERE = ("192.0.2.7", 4444)


@pytest.mark.parametrize(
    "uri",
    [
        "PYRO:Pyro.NameServer@127.0.0.1:1",
        "PYRO:Pyro.NameServer@localhost:1",
        "PYRO:Pyro.NameServer@[::ffff:127.0.0.1]:1",
        "PYRO:Pyro.NameServer@[::1]:1",
        "PYRO:Pyro.NameServer@[2001:db8::1]:1",
        "PYRO:Pyro.NameServer@./u:/run/names.sock",
    ],
)
def test_nobody_is_told_an_address_that_is_of_no_use_to_them(uri: str) -> None:
    assert answer_to(ELSEWHERE, URI(uri)) is None


def test_other_machines_are_told_the_address_on_the_network() -> None:
    uri = URI("PYRO:Pyro.NameServer@192.0.2.1:1")
    assert answer_to(ELSEWHERE, uri) == uri


def test_forged_broadcast_addresses_are_not_answered() -> None:
    async def sends_broadcasts() -> bool:
        responder = await BroadcastServer.start(URI(URI_TEXT), LOOPBACK, 0)
        assert responder._transport is not None
        sock = responder._transport.get_extra_info("socket")
        result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        responder.close()
        return bool(result)

    assert not asyncio.run(sends_broadcasts())


def test_a_flood_is_answered_up_to_a_number_each_second() -> None:
    beyond = 5

    def seconds() -> Iterator[float]:
        return chain(repeat(7.5, MOST_ANSWERS + beyond), repeat(8.0))

    async def converse() -> int:
        clock = seconds()
        responder = await BroadcastServer.start(
            URI(URI_TEXT), LOOPBACK, 0, clock=lambda: next(clock)
        )
        host, port = responder.locationStr.split(":")
        loop = asyncio.get_running_loop()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as many,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            for sock in many, other:
                sock.settimeout(0)
                sock.connect((host, int(port)))
            async with asyncio.timeout(DEADLINE):
                for _ in range(MOST_ANSWERS):
                    many.send(b"GET_NSURI")
                    await loop.sock_recv(many, 1000)
                for _ in range(beyond):
                    many.send(b"GET_NSURI")
                other.send(b"GET_NSURI")
                await loop.sock_recv(other, 1000)
            with pytest.raises(BlockingIOError):
                many.recv(1000)
        responder.close()
        return next(clock) == 8.0

    assert asyncio.run(converse())


@pytest.mark.parametrize(
    ("family", "host", "only", "expected"),
    [
        (socket.AF_INET, LOOPBACK, False, True),
        (socket.AF_INET6, "::1", False, False),
        (socket.AF_INET6, "::", True, False),
        (socket.AF_INET6, "::", False, True),
        (socket.AF_INET6, "::ffff:127.0.0.1", False, True),
    ],
)
def test_it_is_known_whether_ipv4_reaches_a_socket(
    family: int, host: str, only: bool, expected: bool
) -> None:
    if family == socket.AF_INET6 and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with closing(socket.socket(family)) as sock:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        sock.bind((host, 0))
        assert takes_ipv4(sock) is expected


@pytest.fixture
def settings() -> Configuration:
    """Settings of a test's own, whatever the environment says."""
    return Configuration(use_environment=False)


def test_what_listens_on_all_interfaces_of_ipv6_is_found_by_ipv4_too(
    settings: Configuration,
) -> None:
    settings.NS_HOST = "names.invalid"
    settings.BROADCAST_ADDRS = [LOOPBACK]

    async def locate() -> None:
        daemon = AsyncNameServerDaemon(
            "::", 0, bchost=LOOPBACK, bcport=0, config=settings
        )
        async with daemon:
            assert daemon.broadcast is not None
            settings.NS_BCPORT = int(daemon.broadcast.locationStr.split(":")[1])
            async with await locate_ns_async(config=settings) as names:
                await names.ping()
                where = names._pyroUri.location
            assert where == f"{LOOPBACK}:{daemon.uri.port}"

    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    asyncio.run(locate())


def test_what_takes_ipv6_only_answers_no_broadcasts(settings: Configuration) -> None:
    if not has_ipv6():
        pytest.skip("this machine has no IPv6")
    where = ("-n", "::1", "-p", "0", "-s", "memory")
    with Program("-m", "pyro_naming", *where) as program:
        program.wait_for("^URI = ")
        assert program.end() == 0
    assert program.lines[0] == "Not starting broadcast server for IPv6."


def test_the_address_of_the_local_network_is_told_behind_a_translation(
    settings: Configuration,
) -> None:
    settings.NATHOST = "names.example.org"

    async def ask_one() -> None:
        daemon = AsyncNameServerDaemon(
            "0.0.0.0", 0, bchost=LOOPBACK, bcport=0, config=settings
        )
        async with daemon:
            assert daemon.uri.host == "names.example.org"
            assert daemon.broadcast is not None
            host, port = daemon.broadcast.locationStr.split(":")
            loop = asyncio.get_running_loop()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0)
                sock.connect((host, int(port)))
                sock.send(b"GET_NSURI")
                async with asyncio.timeout(DEADLINE):
                    answer = await loop.sock_recv(sock, 1000)
            told = f"PYRO:Pyro.NameServer@{LOOPBACK}:{daemon.internal_uri.port}"
            assert answer == told.encode()

    asyncio.run(ask_one())


def has_ipv6() -> bool:
    try:
        with closing(socket.socket(socket.AF_INET6)) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_a_port_in_use_is_an_error_that_names_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((LOOPBACK, 0))
        port = taken.getsockname()[1]
        starting = BroadcastServer.start(URI(URI_TEXT), LOOPBACK, port)
        with pytest.raises(CommunicationError, match=f"127.0.0.1:{port}"):
            asyncio.run(starting)


def test_closing_frees_the_port_and_may_be_done_from_any_thread() -> None:
    async def open_and_close() -> BroadcastServer:
        responder = await BroadcastServer.start(URI(URI_TEXT), LOOPBACK, 0)
        host, port = responder.locationStr.split(":")
        await asyncio.to_thread(responder.close)
        async with asyncio.timeout(DEADLINE):
            while True:
                await asyncio.sleep(0)
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
                    try:
                        again.bind((host, int(port)))
                    except OSError:
                        continue
                    return responder

    responder = asyncio.run(open_and_close())
    responder.close()
