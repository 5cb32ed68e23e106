"""Set many lamps at once: python client.py PYRO:house@..."""

from __future__ import annotations

import sys
import time

from pyro_client import BatchProxy, Proxy

with Proxy(sys.argv[1]) as house:
    batch = BatchProxy(house)
    for lamp in house.lamps():
        batch.dim(lamp, 30)
    results = list(batch())
    print(len(results), "lamps set in 1 request, all at 30 %:", set(results) == {30})

    batch.dim(1, 100)
    batch.dim(2, percent=80)
    batch.dim(99, 50)
    batch.dim(3, 10)
    try:
        for lamp, percent in enumerate(batch(), start=1):
            print(f"lamp {lamp}: {percent} %")
    except ValueError as error:
        print("ValueError:", error)
    print(f"lamp 3 was not touched: {house.brightness(3)} %")

    for lamp in (4, 5, 6):
        batch.dim(lamp, 15)
    later = batch(asynchronous=True)
    # There is time for something else here.
    print("In the background:", list(later.value))

    for lamp in house.lamps():
        batch.dim(lamp, 0)
    batch(oneway=True)
    while house.shining():
        time.sleep(0.01)
    print("Lights out:", house.shining(), "lamps are on")
