"""Reserve instruments, and crash: python crash.py PYRO:laboratory@..."""

from __future__ import annotations

import os
import sys

from pyro_client import Proxy

laboratory = Proxy(sys.argv[1])
laboratory.reserve("laser")
laboratory.reserve("camera")
print("Reserved: laser, camera")
laboratory.give_back("camera")
print("Given back: camera")
print("In use:", *laboratory.in_use())
print("Crash!", flush=True)
# Nothing of Python is run any more, as if somebody had pulled the plug.
os._exit(0)
