"""Watches a name server: python watching_client.py LIBRARY HOST PORT SERIALIZER.

Prints "watching", and then one JSON object for each change of a name that begins with
``lab.``, until ``lab.end`` is registered.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

library, host, port, serializer = sys.argv[1:]
api: Any = importlib.import_module(library)
api.config.SERIALIZER = serializer

with api.Proxy(f"PYRO:Pyro.NameServer@{host}:{port}") as server:
    changes = server.watch("lab.", existing=True)
    print(json.dumps(next(changes)), flush=True)
    print("watching", flush=True)
    for change in changes:
        print(json.dumps(change), flush=True)
        if change["name"] == "lab.end":
            break
    position = change["position"]
    answer = server.changes(position, "lab.", 0)
    print(json.dumps(answer["changes"]), flush=True)
    page = server.entries("lab.")
    print(json.dumps([one["name"] for one in page["entries"]]), flush=True)
    print(json.dumps(server.describe("lab.old")["owner"]), flush=True)
