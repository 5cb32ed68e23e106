"""One process of the benchmark: the server or the client of one peer.

    python worker.py server|client PEER CPU|any [UNIX SOCKET]

Commands and answers are lines of JSON on standard input and output. A server
sends its address once. A client answers each command, which names a measure or a
number of streams to hold, with a sample, nothing or an error. Both end when their
standard input does, so that they never outlive the command that started them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from measures import MEASURES
from peers.registry import load
from sampling import take_sample

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from peers.interface import Peer

__all__ = ["main"]


def main(role: str, name: str, cpu: str, path: str | None = None) -> None:
    """Play the server or the client of the peer called ``name``.

    Args:
        role: ``"server"`` or ``"client"``.
        name: a key of ``PEERS``.
        cpu: number of the processor to stay on; ``"any"`` leaves it to the kernel.
        path: of the Unix socket that a server listens at; None for TCP.
    """
    if cpu != "any":
        os.sched_setaffinity(0, {int(cpu)})
    answers = _take_standard_output()
    if role == "server":
        threading.Thread(target=_end_with_standard_input, daemon=True).start()
        _serve(load(name), answers, path)
    else:
        _answer_commands(load(name), answers)


def _take_standard_output() -> TextIO:
    """Return the pipe to the starter; what libraries print goes to the error output."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _send(answers: TextIO, message: Mapping[str, object]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


def _serve(peer: Peer, answers: TextIO, path: str | None) -> None:
    def announce(address: str) -> None:
        _send(answers, {"address": address, "version": peer.version})

    peer.serve(announce, path)


def _answer_commands(peer: Peer, answers: TextIO) -> None:
    held = []  # their streams shall stay open
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if "hold" in command:
                connection: Any = peer.connect(command["address"])
                connection.hold(command["hold"])
                held.append(connection)
                answer = {}
            else:
                answer = _sample(peer, command)
        except Exception as error:  # noqa: BLE001 - any failure belongs in the report
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        _send(answers, answer)


def _sample(peer: Peer, command: Mapping[str, Any]) -> dict[str, object]:
    measure = MEASURES[command["measure"]]
    if command["size"]:
        measure = replace(measure, size=command["size"])
    sample = take_sample(
        measure,
        peer,
        command["address"],
        command["server_process"],
        command["seconds"],
    )
    return asdict(sample)


if __name__ == "__main__":
    main(*sys.argv[1:])
