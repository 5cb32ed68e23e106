"""Meet everything that can go wrong: python client.py PYRO:telescope@..."""

from __future__ import annotations

import sys
import traceback

from pyro_client import Proxy, errors, register_class, with_timeout


class DomeClosedError(Exception):
    """What the server raises under this name; the classes need not be the same."""

    def __init__(self, wind: float) -> None:
        super().__init__(wind)
        self.wind = wind

    def __str__(self) -> str:
        return f"the dome is closed (wind {self.wind} m/s)"


register_class(DomeClosedError, "observatory.DomeClosedError")

with Proxy(sys.argv[1]) as telescope:
    try:
        telescope.point(95.0)
    except ValueError as error:
        print("ValueError:", error)

    try:
        telescope.expose()
    except DomeClosedError as error:
        print("DomeClosedError:", error)
        traceback.print_exc()

    try:
        telescope.turn()
    except errors.RemoteError as error:
        print("RemoteError:", error)

    try:
        telescope.pint(30.0)
    except AttributeError as error:
        print("AttributeError:", error)

    try:
        with_timeout(telescope, 0.3).search()
    except errors.TimeoutError as error:
        print("TimeoutError:", error)
    print("The telescope still answers: pointing at", telescope.altitude())

    try:
        telescope.break_down()
    except errors.ConnectionClosedError as error:
        print("ConnectionClosedError: outcome", error.outcome)

    try:
        telescope.altitude()
    except errors.CommunicationError as error:
        print("CommunicationError: outcome", error.outcome)
