"""Use the thermostat whose address is given: python client.py PYRO:thermostat@..."""

import sys

from pyro_client import Proxy

with Proxy(sys.argv[1]) as thermostat:
    print(thermostat.heat("kitchen"))
    print(thermostat.heat("bathroom", degrees=24.5))
    try:
        thermostat.heat("hall", degrees=90.0)
    except ValueError as error:
        print("Refused:", error)
