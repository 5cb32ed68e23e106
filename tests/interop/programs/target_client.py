"""Calls the object of target_server.py: python target_client.py LIBRARY URI SERIALIZER.

Prints one JSON object: what each step gave, as text.
"""

# mypy: disable-error-code="misc, no-any-return"
from __future__ import annotations

import importlib
import json
import sys
import uuid
from collections.abc import Callable
from typing import Any

library, uri, serializer = sys.argv[1:]
api: Any = importlib.import_module(library)
api.config.SERIALIZER = serializer
report: dict[str, str] = {}


def step(name: str, action: Callable[[], Any]) -> None:
    try:
        report[name] = repr(action())
    except Exception as error:
        report[name] = f"{type(error).__name__}: {error}"


def remote_traceback() -> bool:
    try:
        proxy.fail("again")
    except ValueError as error:
        return any("in fail" in line for line in error._pyroTraceback)  # type: ignore[attr-defined]
    return False


def batch_results(batch: Any) -> list[str]:
    results: list[str] = []
    try:
        results.extend(map(repr, batch()))
    except ValueError as error:
        results.append(repr(error))
    return results


def partly_read() -> tuple[int, int, int]:
    stream = proxy.count_up(1000)
    first, second = next(stream), next(stream)
    stream.close()
    return first, second, proxy.add(1, 1)


def set_level() -> int:
    proxy.level = 9
    level: int = proxy.level
    proxy.level = 3
    return level


def annotate() -> tuple[list[str], list[str], bytes]:
    api.current_context.annotations = {"RQST": b"question"}
    sent = proxy.annotated()
    answered = api.current_context.response_annotations
    api.current_context.annotations = {}
    return sent, sorted(answered), bytes(answered["RSPN"])


def correlated() -> bool:
    known = uuid.uuid4()
    api.current_context.correlation_id = known
    answer = proxy.correlation() == str(known)
    api.current_context.correlation_id = None
    return answer


def several() -> list[str]:
    batch = api.BatchProxy(proxy)
    batch.add(1, 2)
    batch.add(left=5)
    batch.fail("in a batch")
    batch.add(3, 4)
    return batch_results(batch)


def notify_in_batch() -> bool:
    batch = api.BatchProxy(proxy)
    batch.notify()
    batch(oneway=True)
    return bool(proxy.was_notified())


VALUES: dict[str, Any] = {
    "text": "caf\u00e9 \N{SNOWMAN} 'quoted'",
    "numbers": [1, -2, 2**40, 2**80, 0.5, True, None],
    "nested": {"list": [1, [2, [3]]], "dict": {"a": {"b": "c"}}},
    "tuple": (1, "two", (3.0,)),
    "set": {"only"},
    "bytes": b"\x00\xff bytes",
    "complex": 1 + 2j,
}

with api.Proxy(uri) as proxy:
    step("metadata", lambda: (proxy._pyroBind(), sorted(proxy._pyroMethods)))
    step("oneway names", lambda: sorted(proxy._pyroOneway))
    step("attribute names", lambda: sorted(proxy._pyroAttrs))
    step("add", lambda: proxy.add(2, 3))
    step("keyword", lambda: proxy.add(left=2, right=5))
    step("default", lambda: proxy.add(1))
    for label, value in VALUES.items():
        step(f"echo {label}", lambda value=value: proxy.echo(value))
        step(f"send {label}", lambda value=value: proxy.arrives_as(value))
    step("get attribute", lambda: proxy.level)
    step("set attribute", set_level)
    step("exception", lambda: proxy.fail("text"))
    step("remote traceback", remote_traceback)
    step("own error", lambda: type(proxy.fail_with_own_error()))
    step("unknown method", lambda: proxy.unknown())
    step("private method", lambda: proxy._pyroInvoke("_secret", (), {}))
    step("still alive", lambda: proxy.add(1, 1))
    step("unserializable", lambda: proxy.unexposed_result())
    step("after it", lambda: proxy.add(1, 1))
    step("oneway", lambda: proxy.notify())
    step("oneway was run", lambda: proxy.was_notified())
    step("batch", several)
    step("oneway batch", notify_in_batch)
    step("stream", lambda: list(proxy.count_up(5)))
    step("empty stream", lambda: list(proxy.count_up(0)))
    step("partly read stream", partly_read)
    step("child", lambda: proxy.child().name())
    step("uri", lambda: str(proxy.uri()))
    step("annotations", annotate)
    step("correlation id", correlated)
    step("ping", lambda: proxy._pyroInvoke("ping", (), {}, objectId="Pyro.Daemon"))

print(json.dumps(report))
