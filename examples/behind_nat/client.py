"""Ask the station from outside: python client.py PYRO:station@..."""

from __future__ import annotations

import sys

from pyro_client import Proxy


def alert(text: str) -> str:
    """Take an alert; the station calls this."""
    return f"Alert sent back through the router: {text}"


with Proxy(sys.argv[1]) as station:
    print("Seattle:", station.degrees(), "degrees")
    with station.history() as history:
        print("The history is at", history._pyroUri.location)
        days = history.highest()
        print(len(days), "day:", *days)
    print(station.warn_above(30.0, alert))
