"""Hear of some topics: python -m blob_dispatcher.listener NAME TOPIC ..."""

from __future__ import annotations

import sys

import blob_dispatcher.readings  # noqa: F401 - so that its class is known here
from pyro_server import Daemon, SerializedBlob, expose


@expose
class Listener:
    """Opens what it gets."""

    def hear(self, blob: SerializedBlob) -> None:
        """Print what was sent."""
        print(blob.deserialized())


if __name__ == "__main__":
    name, *topics = sys.argv[1:]
    with Daemon() as daemon:
        listener = Listener()
        daemon.register(listener)
        tags = {f"topic:{topic}" for topic in topics}
        daemon.announce(f"listeners.{name}", listener, metadata=tags)
        print(name, "listens for", ", ".join(topics))
        daemon.requestLoop()
