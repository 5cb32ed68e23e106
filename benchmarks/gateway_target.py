"""A name server and a daemon with an object, for a web gateway to find.

    python gateway_target.py (pyro_suite|Pyro5.api)

Prints the port of the name server, then serves until it is ended.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any

api: Any = importlib.import_module(sys.argv[1])


@api.expose
@api.behavior(instance_mode="single")
class Thermostat:
    """What is called."""

    def heat(self, room: str, hours: str = "1") -> dict[str, str]:
        """Return what was given."""
        return {"room": room, "hours": hours}


# One process for both, since the gateway asks one after the other.
if sys.argv[1] == "Pyro5.api":
    naming: Any = importlib.import_module("Pyro5.nameserver")
    uri, server, _broadcasts = naming.start_ns("127.0.0.1", 0, enableBroadcast=False)
    port, loop = uri.port, server.requestLoop
else:
    naming = importlib.import_module("pyro_naming")
    server = naming.start_ns("127.0.0.1", 0, enableBroadcast=False).daemon
    port, loop = int(server.locationStr.rpartition(":")[2]), server.requestLoop
threading.Thread(target=loop, daemon=True).start()
with api.Daemon(host="127.0.0.1") as daemon:
    target = daemon.register(Thermostat)
    with api.locate_ns("127.0.0.1", port) as name_server:
        name_server.register("http.thermostat", target)
    print(port, flush=True)
    daemon.requestLoop()
