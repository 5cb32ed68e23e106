"""One of three services: python service.py NAME [PYRO:NEXT@...]."""

from __future__ import annotations

import logging
import sys

from pyro_client import Proxy
from pyro_server import Daemon, current_context, expose

logger = logging.getLogger("services")


class WithCorrelation(logging.Filter):
    """Gives each line of the log the id of the call during which it is written."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the first eight digits, which are enough for people."""
        record.correlation = str(current_context.correlation_id or "-")[:8]
        return True


@expose
class Service:
    """Handles an event, and has the next service handle it."""

    def __init__(self, name: str, following: Proxy | None) -> None:
        self._name = name
        self._following = following

    def handle(self, event: str) -> list[str]:
        """Handle an event, and return the services that have."""
        logger.info("%s: %s", self._name, event)
        handled = [] if self._following is None else self._following.handle(event)
        return [self._name, *handled]


handler = logging.StreamHandler(sys.stdout)
handler.addFilter(WithCorrelation())
handler.setFormatter(logging.Formatter("%(correlation)s %(message)s"))
logging.basicConfig(level=logging.INFO, handlers=[handler])

name, *uris = sys.argv[1:]
with Daemon() as daemon:
    service = Service(name, Proxy(uris[0]) if uris else None)
    print(f"{name}:", daemon.register(service, name))
    daemon.requestLoop()
