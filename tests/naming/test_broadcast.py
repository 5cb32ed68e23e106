from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from pyro_naming.broadcast import BroadcastServer
from pyro_protocol import URI
from pyro_protocol.errors import CommunicationError
from support.hosting import DEADLINE

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
