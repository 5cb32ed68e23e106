"""Calls a guarded object with a token, as a program written for Pyro5 would.

Arguments: the URI of the object, a serializer, and the token. It prints what it has
found as JSON.
"""

from __future__ import annotations

import json
import sys

import Pyro5.api
import Pyro5.errors

uri, serializer, token = sys.argv[1:]
Pyro5.api.config.SERIALIZER = serializer
found = {}

with Pyro5.api.Proxy(uri) as safe:
    safe._pyroHandshake = {"token": token}
    try:
        found["look"] = safe.look()
        found["owner"] = safe.owner
    except Pyro5.errors.CommunicationError as error:
        found["refused"] = str(error)
    else:
        try:
            found["open"] = safe.open(5)
        except Pyro5.errors.SecurityError as error:
            found["denied"] = str(error)
        try:
            safe.owner = "somebody else"
        except Pyro5.errors.SecurityError as error:
            found["denied attribute"] = str(error)
        batch = Pyro5.api.BatchProxy(safe)
        batch.look()
        batch.open(7)
        results = []
        try:
            results.extend(batch())
        except Pyro5.errors.SecurityError:
            results.append("denied")
        found["batch"] = results
        try:
            safe.jam()
        except ValueError as error:
            found["error"] = list(error.args)
            found["where"] = "in jam" in "".join(Pyro5.errors.get_pyro_traceback())

print(json.dumps(found))
