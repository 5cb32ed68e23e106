"""Serves objects for web gateways with a library: python gateway_target.py LIBRARY.

Registers them in the name server of the environment, prints that it is ready, then
serves until it is ended.
"""

from __future__ import annotations

import datetime as dt
import decimal
import importlib
import sys
import threading
import uuid
from typing import Any

api: Any = importlib.import_module(sys.argv[1])


# Without annotations that tell: what the gateways pass on is the same text then.
@api.expose
@api.behavior(instance_mode="single")
class Target:
    def __init__(self) -> None:
        self._notified = threading.Semaphore(0)

    @property
    def level(self) -> Any:
        return 3.5

    def nothing(self) -> Any:
        return None

    def both(self, left: Any, right: Any = "unset") -> Any:
        return [left, right]

    def values(self) -> Any:
        return {
            "text": 'a "quoted" \u20ac',
            "number": 1.5,
            "large": 2**70,
            "list": [1, None, True],
            "tuple": (1, "two"),
            "nested": {"a": {"b": []}},
            "moment": dt.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - as it is sent
            "exact": decimal.Decimal("1.50"),
            "identity": uuid.UUID("12345678-1234-5678-1234-567812345678"),
        }

    def uri(self) -> Any:
        return api.URI("PYRO:some@example.org:1234")

    def correlation(self) -> Any:
        return str(api.current_context.correlation_id)

    def fail(self) -> Any:
        raise ValueError("too hot", 99)

    @api.oneway  # type: ignore[untyped-decorator] # of either library
    def notify(self) -> Any:
        self._notified.release()

    def touch(self) -> Any:
        self._notified.release()
        return "touched"

    def was_notified(self) -> Any:
        return self._notified.acquire(timeout=20)


with api.Daemon(host="127.0.0.1") as daemon:
    uri = daemon.register(Target)
    with api.locate_ns() as name_server:
        for name in ("http.target", "http.folder/target", "other.target"):
            name_server.register(name, uri)
    print("ready", flush=True)
    daemon.requestLoop()
