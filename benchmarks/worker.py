"""One process of the benchmark: the server or the client of one peer.

    python worker.py server|client PEER [CPU]

Commands and answers are lines of JSON on standard input and output. A server
sends its address once. A client answers each command, which names a measure, with
a sample or an error. Both end when their standard input does, so that they never
outlive the command that started them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from dataclasses import asdict
from typing import TYPE_CHECKING

from measures import MEASURES, take_sample
from peers.registry import load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

    from peers.interface import Peer

__all__ = ["main"]


def main(role: str, name: str, cpu: str | None = None) -> None:
    """Play the server or the client of the peer called ``name``.

    Args:
        role: ``"server"`` or ``"client"``.
        name: a key of ``PEERS``.
        cpu: number of the processor to stay on; None leaves it to the kernel.
    """
    if cpu is not None:
        os.sched_setaffinity(0, {int(cpu)})
    answers = _take_standard_output()
    if role == "server":
        threading.Thread(target=_end_with_standard_input, daemon=True).start()
        _serve(load(name), answers)
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


def _serve(peer: Peer, answers: TextIO) -> None:
    def announce(address: str) -> None:
        _send(answers, {"address": address, "version": peer.version})

    peer.serve(announce)


def _answer_commands(peer: Peer, answers: TextIO) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        try:
            sample = take_sample(
                MEASURES[command["measure"]],
                peer,
                command["address"],
                command["server_process"],
                command["seconds"],
            )
        except Exception as error:  # noqa: BLE001 - any failure belongs in the report
            traceback.print_exc()
            _send(answers, {"error": f"{type(error).__name__}: {error}"})
        else:
            _send(answers, asdict(sample))


if __name__ == "__main__":
    main(*sys.argv[1:])
