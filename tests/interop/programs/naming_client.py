"""Uses a name server: python naming_client.py LIBRARY HOST PORT SERIALIZER.

Prints one JSON object: what each step gave, as text.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

library, host, port, serializer = sys.argv[1:]
api: Any = importlib.import_module(library)
api.config.SERIALIZER = serializer
api.config.NS_HOST, api.config.NS_PORT = host, int(port)
report: dict[str, str] = {}


def step(name: str, action: Callable[[], Any]) -> None:
    try:
        report[name] = repr(action())
    except Exception as error:
        report[name] = f"{type(error).__name__}: {error}"


URI = "PYRO:thing@127.0.0.1:4444"

with api.locate_ns(host, int(port)) as server:
    step("ping", lambda: server.ping())
    step(
        "register", lambda: server.register("lab.thing", URI, metadata=["blue", "big"])
    )
    step("register another", lambda: server.register("lab.other", URI + "4"))
    step("taken", lambda: server.register("lab.thing", URI, safe=True))
    step("bad uri", lambda: server.register("lab.bad", "PYRO:nowhere"))
    step("lookup", lambda: str(server.lookup("lab.thing")))
    step("unknown", lambda: server.lookup("lab.unknown"))
    step("list", lambda: sorted(server.list(prefix="lab.").items()))
    step("regex", lambda: sorted(server.list(regex=r".+\.th.*")))
    step("bad regex", lambda: type(server.list(regex="[")))
    step("by all tags", lambda: sorted(server.yplookup(meta_all=["blue", "big"])))
    step("by any tag", lambda: sorted(server.yplookup(meta_any=["blue", "red"])))
    step("by missing tag", lambda: sorted(server.yplookup(meta_all=["blue", "red"])))
    step("resolve name", lambda: str(api.resolve("PYRONAME:lab.thing")))
    step("resolve tags", lambda: str(api.resolve("PYROMETA:blue,big")))
    step("set metadata", lambda: server.set_metadata("lab.thing", ["red"]))
    step("by new tag", lambda: sorted(server.yplookup(meta_any=["red"])))
    step("remove", lambda: server.remove("lab.thing"))
    step("remove again", lambda: server.remove("lab.thing"))
    step("remove by prefix", lambda: server.remove(prefix="lab."))
    step("count", lambda: server.count())

print(json.dumps(report))
