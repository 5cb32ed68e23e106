"""The gateway as a process of its own, and a client for it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from typing import Any, Final, NamedTuple, Self

from .hosting import DEADLINE

__all__ = ["Answer", "GatewayProcess"]

_READY: Final = re.compile(
    r"Pyro HTTP gateway running on (https?://(\S+):(?P<port>\d+)/pyro/|unix:)"
)


class Answer(NamedTuple):
    """What the gateway answered.

    Attributes:
        status: the HTTP status.
        headers: the header fields.
        body: the body.
    """

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """Return what the body says."""
        assert self.headers["Content-Type"] == "application/json; charset=utf-8"
        return json.loads(self.body)


class GatewayProcess:
    """``python -m pyro_httpgw`` until the end of the ``with`` block.

    Args:
        arguments: its command line, beside host and port.
        environment: what is different in its environment.

    Attributes:
        process: the process.
        output: the lines it printed before it was ready.
        port: where it listens; 0 for a Unix socket.
    """

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pyro_httpgw",
                "-H",
                "127.0.0.1",
                "-p",
                "0",
                *arguments,
            ],
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.output: list[str] = []
        watchdog = threading.Timer(DEADLINE, self.process.kill)
        watchdog.start()
        try:
            self.port = self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        finally:
            watchdog.cancel()

    def _wait_until_ready(self) -> int:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line.rstrip())
            ready = _READY.match(line)
            if ready:
                return int(ready["port"] or 0)
        assert self.process.stderr is not None
        raise AssertionError(f"the gateway did not start: {self.process.stderr.read()}")

    def connect(self) -> http.client.HTTPConnection:
        """Return a new connection to it, which the caller must close."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Return the answer to a request over a connection of its own."""
        client = self.connect()
        try:
            client.request(method, path, body, headers or {})
            response = client.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            client.close()

    def end(self, signal_number: int) -> tuple[str, str]:
        """Send it a signal, wait for its end and return its two outputs."""
        self.process.send_signal(signal_number)
        return self.process.communicate(timeout=DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.process.kill()
        with self.process:
            pass
