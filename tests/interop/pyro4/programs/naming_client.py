"""Uses a name server with Pyro4: HOST PORT.

Prints one JSON object: what each step gave, as text.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import Pyro4

host, port = sys.argv[1], int(sys.argv[2])
Pyro4.config.NS_HOST, Pyro4.config.NS_PORT = host, port
report: dict[str, str] = {}


def step(name: str, action: Callable[[], Any]) -> None:
    try:
        report[name] = repr(action())
    except Exception as error:
        report[name] = f"{type(error).__name__}: {error}"


@Pyro4.expose
class Thing:
    def hi(self) -> Any:
        return "hi"


def looked_up(name: str) -> Any:
    uri, tags = names.lookup(name, return_metadata=True)
    return str(uri), sorted(tags)


def with_tags(**options: object) -> Any:
    found = names.list(return_metadata=True, **options)
    return {name: (uri, sorted(tags)) for name, (uri, tags) in found.items()}


def called(uri: object) -> Any:
    with Pyro4.Proxy(uri) as proxy:
        return proxy.hi()


names = Pyro4.locateNS(host, port)
step("ping", names.ping)
step("register", lambda: names.register("a.b", "PYRO:x@h:1", metadata={"red", "blue"}))
step("register a URI", lambda: names.register("a.c", Pyro4.URI("PYRO:y@h:2")))
step("safe", lambda: names.register("a.c", "PYRO:y@h:2", safe=True))
step("lookup", lambda: str(names.lookup("a.b")))
step("lookup with tags", lambda: looked_up("a.b"))
step("unknown", lambda: names.lookup("nobody"))
step("count", names.count)
step("prefix", lambda: names.list(prefix="a."))
step("regex", lambda: names.list(regex=r"a\.[c-z]"))
step("tags", lambda: with_tags(prefix="a."))
step("all tags", lambda: names.list(metadata_all={"red", "blue"}))
step("any tag", lambda: names.list(metadata_any={"red", "green"}))
step("no tag", lambda: names.list(metadata_all={"red", "green"}))
step("set tags", lambda: names.set_metadata("a.c", {"green"}))
step("resolve", lambda: str(Pyro4.resolve("PYRONAME:a.b")))
step("resolve tags", lambda: str(Pyro4.resolve("PYROMETA:green")))
step("remove", lambda: names.remove("a.b"))
step("remove by prefix", lambda: names.remove(prefix="a."))
step("own name", lambda: names.remove("Pyro.NameServer"))
with Pyro4.Daemon() as daemon:
    uri = daemon.register(Thing)
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    step("register a daemon", lambda: names.register("thing", uri, metadata=["t"]))
    step("by name", lambda: called("PYRONAME:thing"))
    step("by tag", lambda: called("PYROMETA:t"))
    daemon.shutdown()
print(json.dumps(report))
