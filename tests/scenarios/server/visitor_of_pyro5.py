"""A program written for Pyro5, run where nothing but Pyro5 is installed.

Arguments: host and port of the name server, and a serializer. It prints what it
has found as JSON.
"""

from __future__ import annotations

import json
import sys

import Pyro5.api

host, port, serializer = sys.argv[1:]
Pyro5.api.config.NS_HOST = host
Pyro5.api.config.NS_PORT = int(port)
Pyro5.api.config.SERIALIZER = serializer
found = {}

with Pyro5.api.Proxy("PYRONAME:town.workshop") as workshop:
    found["call"] = workshop.cut(12, parts=3)
    found["echo"] = workshop.echo({"text": "ü€", "numbers": [1, 2.5, None, True]})
    found["stream"] = list(workshop.measure(4))
    found["async"] = workshop.paint("blue")
    found["async stream"] = list(workshop.dry(2))
    try:
        workshop.break_down()
    except ValueError as error:
        found["error"] = list(error.args)
        found["where"] = "in break_down" in "".join(Pyro5.errors.get_pyro_traceback())
    try:
        workshop._pyroInvoke("_notes", (), {})
    except AttributeError as error:
        found["private"] = "private" in str(error)
    workshop.note(serializer)
    found["oneway"] = serializer in workshop.notes(serializer)
    found["methods"] = sorted(workshop._pyroMethods)
    found["attributes"] = sorted(workshop._pyroAttrs)
    if serializer != "marshal":
        # What Pyro5 itself cannot do with marshal.
        workshop.temperature = 18.5
        found["attribute"] = workshop.temperature
        batch = Pyro5.api.BatchProxy(workshop)
        batch.cut(1)
        batch.echo("two")
        found["batch"] = list(batch())
        with workshop.lend() as tool:
            found["reference"] = [tool.name, tool.use(times=2)]

with Pyro5.api.locate_ns() as name_server:
    found["tagged"] = sorted(name_server.yplookup(meta_all={"workshop"}))
with Pyro5.api.Proxy("PYROMETA:workshop") as workshop:
    found["by tag"] = workshop.cut(5)

print(json.dumps(found))  # noqa: T201 - for the test
