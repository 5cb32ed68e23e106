"""A weather station behind a router; the README shows how it is called."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pyro_server import Daemon, expose

if TYPE_CHECKING:
    from collections.abc import Callable


@expose
class History:
    """What was measured before."""

    def highest(self) -> list[float]:
        """Return the highest temperature of each day."""
        return [35.6]


@expose
class Station:
    """It knows the weather of one day."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._history = History()
        daemon.register(self._history, "history")

    def degrees(self) -> float:
        """Return the temperature."""
        return 35.6

    def history(self) -> Any:
        """Return another object; where it is said to be has to be true outside."""
        return self._daemon.proxyFor(self._history)

    def warn_above(self, degrees: float, alert: Callable[[str], str]) -> str:
        """Call the client if it is hotter than that."""
        if self.degrees() > degrees:
            return alert(f"above {degrees:.0f} degrees")
        return "no alert"


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="localhost")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--nathost")
    parser.add_argument("--natport", type=int)
    options = parser.parse_args()
    with Daemon(
        options.host,
        options.port,
        nathost=options.nathost,
        natport=options.natport,
    ) as daemon:
        print("station:", daemon.register(Station(daemon), "station"))
        print("inside: ", daemon.uriFor("station", nat=False))
        daemon.requestLoop()


main()
