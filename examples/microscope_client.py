"""Use the microscope: python microscope_client.py PYRO:microscope@... TOKEN."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import microscope  # so that its classes are known here
from pyro_client import Proxy, errors


def connect(uri: str, token: str) -> Proxy:
    """Return a proxy that shows a token when it connects."""
    proxy = Proxy(uri)
    proxy._pyroHandshake = {"token": token}
    return proxy


def main(uri: str, token: str) -> None:
    """Look, take a picture, set out on a long way, and stop halfway."""
    # A proxy has one call at a time, so the emergency stop has one of its own.
    with connect(uri, token) as scope, connect(uri, token) as emergency:
        print("Temperatures:", *scope.temperatures(4))
        try:
            frame = scope.acquire(0.2)
        except errors.SecurityError as error:
            print("Refused:", error)
            return
        print(f"Frame {frame.number} at {frame.position}: {len(frame.pixels)} pixels")
        print("Moved to", scope.move_to(1.5, 2.0))
        with ThreadPoolExecutor() as pool:
            moving = pool.submit(scope.move_to, 50.0, 2.0)
            while emergency.position.x < 2.0:
                time.sleep(0.01)
            emergency.stop()
            try:
                moving.result()
            except microscope.StageStoppedError:
                print("Stopped on the way")


if __name__ == "__main__":
    main(*sys.argv[1:])
