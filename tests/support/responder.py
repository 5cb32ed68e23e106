"""Somebody who answers broadcasts, on the loopback interface."""

from __future__ import annotations

import socket
import threading
from typing import Self

from .hosting import DEADLINE

__all__ = ["Responder"]


class Responder:
    """Answers each request with the next of some groups of datagrams.

    Args:
        answers: for each request the datagrams to answer with.

    Attributes:
        port: where it listens.
        requests: what has arrived.
    """

    def __init__(self, *answers: list[bytes]) -> None:
        self.requests: list[bytes] = []
        self._answers = answers
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 0))
        self._sock.settimeout(DEADLINE)
        self.port: int = self._sock.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="responder")

    def _run(self) -> None:
        for group in self._answers:
            request, asker = self._sock.recvfrom(1000)
            self.requests.append(request)
            for answer in group:
                self._sock.sendto(answer, asker)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._thread.join(DEADLINE)
        self._sock.close()
