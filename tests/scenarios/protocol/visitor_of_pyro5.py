"""A client made with the real Pyro5; runs in Pyro5's environment.

Usage: visitor_of_pyro5.py URI SERIALIZER

Prints one JSON object: what each step gave, as text.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import TYPE_CHECKING, Any

from Pyro5.api import BatchProxy, Proxy, SerializedBlob, config, current_context
from Pyro5.errors import get_pyro_traceback

if TYPE_CHECKING:
    from collections.abc import Callable

uri, config.SERIALIZER = sys.argv[1:]
proxy: Any = Proxy(uri)
report: dict[str, str] = {}


def step(name: str, action: Callable[[], Any]) -> None:
    try:
        report[name] = repr(action())
    except Exception as error:  # noqa: BLE001 - each is told of
        report[name] = f"{type(error).__name__}: {error}"


def remote_traceback() -> bool:
    try:
        proxy.fail()
    except ValueError:
        return any("in fail" in line for line in get_pyro_traceback())
    return False


def assign() -> int:
    proxy.level = 9
    level: int = proxy.level
    return level


def batch() -> list[Any]:
    calls = BatchProxy(proxy)
    calls.add(1, 2)
    calls.fail()
    calls.add(3, 4)
    results = []
    try:
        for result in calls():
            results.append(result)  # noqa: PERF402 - up to the failure
    except ValueError as error:
        results.append(repr(error))
    return results


def annotated() -> tuple[Any, list[str]]:
    current_context.annotations = {"RQST": b"request"}
    current_context.correlation_id = uuid.UUID(int=5)
    seen = proxy.annotated()
    current_context.annotations = {}
    return seen, sorted(current_context.response_annotations)


def refused() -> None:
    with Proxy(uri) as other:
        other._pyroHandshake = "burglar"
        other.add(1, 2)


def unknown_object() -> None:
    with Proxy(uri.replace("instrument", "nothing")) as other:
        other.add(1, 2)


def compressed() -> int:
    config.COMPRESSION = True
    size = len(proxy.echo("x" * 100_000))
    config.COMPRESSION = False
    return size


step("metadata", lambda: (proxy._pyroBind(), sorted(proxy._pyroMethods))[1])
step("attributes", lambda: (sorted(proxy._pyroAttrs), sorted(proxy._pyroOneway)))
step("add", lambda: proxy.add(2, b=3))
step("text", lambda: proxy.echo("caf\u00e9"))
step("coroutine", lambda: proxy.later(5))
step("exception", proxy.fail)
step("traceback", remote_traceback)
step("exit", proxy.leave)
step("unexposed", lambda: proxy._pyroInvoke("hidden", (), {}))
step("private", lambda: proxy._pyroInvoke("_level", (), {}))
step("oneway", lambda: (proxy.note("x"), proxy.wait_for_note())[1])
step("stream", lambda: list(proxy.readings(5)))
if config.SERIALIZER != "marshal":
    # Pyro5's own client cannot do these there.
    step("get", lambda: proxy.level)
    step("set", assign)
    step("batch", batch)
    step("probe", lambda: proxy.probe().name())
step("uri", lambda: str(proxy.uri()))
step("annotated", annotated)
step("blob", lambda: proxy.blob(SerializedBlob("info", [1, 2])))
step("long", lambda: len(proxy.echo("x" * (8 << 20))))
step("compressed", compressed)
step("refused", refused)
step("unknown", unknown_object)
step("still alive", lambda: proxy.add(1, 1))
proxy._pyroRelease()
print(json.dumps(report))  # noqa: T201 - for the test
