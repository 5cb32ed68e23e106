"""Tell the door of two events: python client.py PYRO:door@..."""

from __future__ import annotations

import sys
import uuid

from pyro_client import Proxy, current_context

# Usually uuid.uuid4(). These are fixed, so that the README can show them.
JOBS = {
    uuid.UUID("9e107d9d372bb6826bd81d3542a419d6"): "door opened at night",
    uuid.UUID("e4d909c290d0fb1ca068ffaddf22cbd0"): "cat came in",
}

with Proxy(sys.argv[1]) as door:
    for job, event in JOBS.items():
        current_context.correlation_id = job
        names = door.handle(event)
        print(str(job)[:8], f"{event}:", ", ".join(names), "have handled it")
