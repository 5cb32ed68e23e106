"""Instruments that can be reserved: python server.py."""

from __future__ import annotations

import threading

from pyro_server import Daemon, current_context, expose

INSTRUMENTS = ("camera", "laser", "oscilloscope")
PATIENCE_SECONDS = 30.0


class Reservation:
    """Says that an instrument is somebody's; closed when the connection ends."""

    def __init__(self, laboratory: Laboratory, instrument: str) -> None:
        self._laboratory = laboratory
        self.instrument = instrument

    def close(self) -> None:
        """Take the instrument back."""
        self._laboratory.free(self.instrument, "taken back")


class Laboratory:
    """Who has what."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._reservations: dict[str, Reservation] = {}
        self._protocol: list[str] = []

    @expose
    def reserve(self, instrument: str) -> None:
        """Reserve an instrument; wait for a while if it is somebody's."""
        if instrument not in INSTRUMENTS:
            raise ValueError(f"there is no {instrument}")
        with self._changed:
            if not self._changed.wait_for(
                lambda: instrument not in self._reservations, PATIENCE_SECONDS
            ):
                raise RuntimeError(f"the {instrument} is in use")
            reservation = Reservation(self, instrument)
            self._reservations[instrument] = reservation
            self._protocol.append(f"{instrument} reserved")
        current_context.track_resource(reservation)

    @expose
    def give_back(self, instrument: str) -> None:
        """Free what this client has reserved."""
        current_context.untrack_resource(self._reservations[instrument])
        self.free(instrument, "given back")

    @expose
    def in_use(self) -> list[str]:
        """Return what is reserved."""
        return sorted(self._reservations)

    @expose
    def protocol(self) -> list[str]:
        """Return all that has happened."""
        return self._protocol

    def free(self, instrument: str, how: str) -> None:
        """Let others have an instrument; it is not exposed."""
        with self._changed:
            del self._reservations[instrument]
            self._protocol.append(f"{instrument} {how}")
            self._changed.notify_all()


with Daemon() as daemon:
    print("laboratory:", daemon.register(Laboratory(), "laboratory"))
    daemon.requestLoop()
