"""Calls the object of target_server.py with keys: LOCATION OBJECT KEY...; "" is none.

Prints one JSON list: what a call with each key gave, as text.
"""

# mypy: ignore-errors
from __future__ import annotations

import json
import sys

import Pyro4

location, object_id, *keys = sys.argv[1:]
report = []
for key in keys:
    with Pyro4.Proxy(f"PYRO:{object_id}@{location}") as proxy:
        proxy._pyroHmacKey = key or None
        try:
            report.append(repr((proxy.add(2, 3), list(proxy.count_up(2)))))
        except Pyro4.errors.PyroError as error:
            report.append(f"{type(error).__name__}: {error}")
print(json.dumps(report))
