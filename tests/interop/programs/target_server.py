"""Serves one object with the library that is named: python target_server.py LIBRARY.

Prints the URI of the object, then serves until it is ended.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

api: Any = importlib.import_module(sys.argv[1])
errors: Any = getattr(api, "errors", None) or importlib.import_module("Pyro5.errors")


@api.expose
class Child:
    """What `Target.child` returns: registered, so that a proxy arrives."""

    def name(self) -> str:
        return "child"


@api.expose
@api.behavior(instance_mode="single")
class Target:
    def __init__(self) -> None:
        self._level = 3
        self._notified = threading.Semaphore(0)

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, value: int) -> None:
        self._level = value

    def add(self, left: int, right: int = 10) -> int:
        return left + right

    def echo(self, value: Any) -> Any:
        return value

    def arrives_as(self, value: Any) -> str:
        return repr(value)

    def fail(self, text: str) -> None:
        raise ValueError(text, 7)

    def fail_with_own_error(self) -> None:
        raise errors.NamingError("no such name")

    def count_up(self, number: int) -> Any:
        yield from range(number)

    @api.oneway  # type: ignore[untyped-decorator] # of either library
    def notify(self) -> None:
        self._notified.release()

    def was_notified(self) -> bool:
        return self._notified.acquire(timeout=20)

    def child(self) -> Any:
        child = Child()
        self._pyroDaemon.register(child)  # type: ignore[attr-defined] # set by the daemon
        return child

    def call_back(self, listener: Any, text: str) -> Any:
        """Call an object of the client, which is in a daemon of its own."""
        return listener.tell(text)

    def uri(self) -> Any:
        return api.URI("PYRO:some@example.org:1234")

    def correlation(self) -> str:
        return str(api.current_context.correlation_id)

    def annotated(self) -> list[str]:
        context = api.current_context
        context.response_annotations = {"RSPN": b"answer"}
        return sorted(name for name in context.annotations if name != "CAPS")

    def _secret(self) -> str:
        return "must never be seen"

    def unexposed_result(self) -> Any:
        return threading.Lock()


with api.Daemon(host="127.0.0.1") as daemon:
    print(daemon.register(Target, "target"), flush=True)
    daemon.requestLoop()
