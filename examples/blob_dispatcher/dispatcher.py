"""Pass on what sensors send: python -m blob_dispatcher.dispatcher."""

from __future__ import annotations

from pyro_client import Proxy, errors
from pyro_server import Daemon, SerializedBlob, expose, locate_ns


@expose
class Dispatcher:
    """Knows topics, and nothing of what is sent."""

    def dispatch(self, blob: SerializedBlob) -> list[str]:
        """Give a blob to all who listen for its topic, and return their names."""
        delivered = []
        with locate_ns() as names:
            listeners = names.yplookup(meta_all={f"topic:{blob.info}"})
        for name, (uri, _) in sorted(listeners.items()):
            try:
                with Proxy(uri) as listener:
                    listener.hear(blob)
            except errors.CommunicationError:
                continue  # it has died, and its name is going to be forgotten
            delivered.append(name.removeprefix("listeners."))
        return delivered


if __name__ == "__main__":
    with Daemon() as daemon:
        dispatcher = Dispatcher()
        daemon.register(dispatcher)
        daemon.announce("dispatcher", dispatcher)
        print("The dispatcher is ready")
        daemon.requestLoop()
