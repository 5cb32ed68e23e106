"""Calls the object of target_server.py with Pyro4: LOCATION OBJECT SERIALIZER.

Prints one JSON object: what each step gave, as text.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
import threading
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

import Pyro4

location, object_id, serializer = sys.argv[1:]
Pyro4.config.SERIALIZER = serializer
report: dict[str, str] = {}


def step(name: str, action: Callable[[], Any]) -> None:
    try:
        report[name] = repr(action())
    except Exception as error:
        module = type(error).__module__
        report[name] = f"{module}.{type(error).__name__}: {error}"


def remote_traceback() -> Any:
    try:
        proxy.fail("again")
    except ValueError:
        return any("in fail" in line for line in Pyro4.util.getPyroTraceback())
    return False


def batch_results() -> Any:
    batch = Pyro4.batch(proxy)
    batch.add(1)
    batch.add(2, b=5)
    batch.fail("in a batch")
    results = []
    try:
        results.extend(map(repr, batch()))
    except ValueError as error:
        results.append(repr(error))
    return results


def oneway_batch() -> Any:
    batch = Pyro4.batch(proxy)
    batch.notify("from a batch")
    batch(oneway=True)
    return noted("from a batch")


def noted(note: str) -> bool:
    return any(note in proxy.notes() for _ in range(10_000))


def notify() -> Any:
    proxy.notify("a note")
    return noted("a note")


def partly_read() -> Any:
    stream = proxy.count_up(1000)
    first, second = next(stream), next(stream)
    stream.close()
    return first, second, proxy.add(1, 1)


def set_level() -> Any:
    proxy.level = 9
    level = proxy.level
    proxy.level = 3
    return level


def asynchronous() -> Any:
    with Pyro4.Proxy(proxy._pyroUri) as other:
        other._pyroAsync()
        results = [other.add(number) for number in range(5)]
        chained = other.add(1).then(lambda value: value * 2)
        return [one.value for one in results], chained.value


def asynchronous_failure() -> Any:
    with Pyro4.Proxy(proxy._pyroUri) as other:
        other._pyroAsync()
        try:
            return other.fail("later").value
        except ValueError as error:
            return error.args


class Annotating(Pyro4.Proxy):
    received: ClassVar[dict[str, bytes]] = {}

    def _pyroAnnotations(self) -> Any:
        return {"RQST": b"question"}

    def _pyroResponseAnnotations(self, annotations: Any, msgtype: int) -> None:
        if "RSPN" in annotations:
            self.received["RSPN"] = bytes(annotations["RSPN"])


def annotate() -> Any:
    with Annotating(proxy._pyroUri) as other:
        return other.annotated(), Annotating.received


def correlate() -> Any:
    Pyro4.current_context.correlation_id = number = uuid.uuid4()
    try:
        return proxy.correlation() == str(number)
    finally:
        Pyro4.current_context.correlation_id = None


def compressed() -> Any:
    Pyro4.config.COMPRESSION = True
    try:
        return len(proxy.echo("x" * 100_000))
    finally:
        Pyro4.config.COMPRESSION = False


class Greeted(Pyro4.Proxy):
    seen: ClassVar[list[object]] = []

    def _pyroValidateHandshake(self, response: object) -> None:
        self.seen.append(response)


def greeted() -> Any:
    with Greeted(proxy._pyroUri) as other:
        other._pyroHandshake = "friend"
        other._pyroBind()
    return Greeted.seen


def refused() -> Any:
    with Pyro4.Proxy(proxy._pyroUri) as other:
        other._pyroHandshake = "go away"
        other._pyroBind()


@Pyro4.expose
class Listener:
    def hear(self, news: str) -> str:
        return f"heard {news}"


def called_back() -> Any:
    with Pyro4.Daemon() as daemon:
        listener = Listener()
        daemon.register(listener)
        threading.Thread(target=daemon.requestLoop, daemon=True).start()
        try:
            return proxy.call_back(listener)
        finally:
            daemon.shutdown()


def without_metadata() -> Any:
    Pyro4.config.METADATA = False
    try:
        with Pyro4.Proxy(proxy._pyroUri) as other:
            return other.add(2, 3)
    finally:
        Pyro4.config.METADATA = True


def of_daemon(method: str, *args: object) -> Any:
    return proxy._pyroInvoke(method, args, {}, objectId="Pyro.Daemon")


with Pyro4.Proxy(f"PYRO:{object_id}@{location}") as proxy:
    step("greeting", greeted)
    step("refusal", refused)
    step("metadata", lambda: (proxy._pyroBind(), sorted(proxy._pyroMethods))[1])
    step("oneway names", lambda: sorted(proxy._pyroOneway))
    step("attribute names", lambda: sorted(proxy._pyroAttrs))
    step("no metadata", without_metadata)
    step("add", lambda: proxy.add(2, 3))
    step("keyword", lambda: proxy.add(2, b=5))
    step("default", lambda: proxy.add(1))
    step("text", lambda: proxy.echo("caf\u00e9"))
    step("nested", lambda: proxy.echo({"a": [1, {"b": [2.5, None, True]}]}))
    step("large", lambda: len(proxy.echo("x" * 300_000)))
    step("compressed", compressed)
    step("get attribute", lambda: proxy.level)
    step("set attribute", set_level)
    step("exception", lambda: proxy.fail("text"))
    step("remote traceback", remote_traceback)
    step("pyro error", proxy.fail_with_pyro_error)
    step("own error", proxy.fail_with_own_error)
    step("unserializable", proxy.unserializable)
    step("after it", lambda: proxy.add(1, 1))
    step("private", lambda: proxy._pyroInvoke("_private", (), {}))
    step("dunder", lambda: proxy._pyroInvoke("__init__", (), {}))
    step("unknown", lambda: proxy._pyroInvoke("nonesuch", (), {}))
    step("oneway", notify)
    step("batch", batch_results)
    step("oneway batch", oneway_batch)
    step("stream", lambda: list(proxy.count_up(5)))
    step("partly read", partly_read)
    step("asynchronous", asynchronous)
    step("asynchronous failure", asynchronous_failure)
    step("child", lambda: (type(proxy.child()).__module__, proxy.child().hello()))
    step("uri", lambda: (type(proxy.uri()).__module__, str(proxy.uri())))
    step("send uri", lambda: proxy.type_of(Pyro4.URI("PYRO:a@h:1")))
    step("send proxy", lambda: proxy.type_of(proxy).split()[0])
    step("send error", lambda: proxy.type_of(Pyro4.errors.NamingError("n")))
    step("proxy and back", lambda: proxy.echo(proxy) == proxy)
    step("blob", lambda: proxy.blob(Pyro4.core.SerializedBlob("info", [1, 2])))
    step("call back", called_back)
    step("annotations", annotate)
    step("correlation", correlate)
    step("daemon ping", lambda: of_daemon("ping"))
    step("daemon registered", lambda: object_id in of_daemon("registered"))
    step("daemon info", lambda: "daemon at" in of_daemon("info"))
    step(
        "daemon metadata",
        lambda: sorted(of_daemon("get_metadata", object_id)["oneway"]),
    )

print(json.dumps(report))
