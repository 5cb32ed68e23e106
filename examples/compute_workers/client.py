"""Have a picture computed by all workers that there are: python client.py."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from pyro_client import Proxy, errors, locate_ns, replicas

ROWS = 40


def alive(uri: str) -> bool:
    """Return whether somebody listens there."""
    try:
        with Proxy(uri) as worker:
            worker._pyroBind()
    except errors.CommunicationError:
        return False
    return True


with locate_ns() as names:
    found = names.yplookup(meta_all={"mandelbrot"})
print(len(found), "workers")

heights = [2.4 * row / (ROWS - 1) - 1.2 for row in range(ROWS)]
by_worker: Counter[str] = Counter()
# Two rows for each worker: one that it computes, and one that waits there.
threads = ThreadPoolExecutor(2 * len(found))
with replicas("PYROMETA:mandelbrot", "least_busy") as workers, threads:
    lines = []
    for name, line in threads.map(workers.row, heights):
        by_worker[name] += 1
        lines.append(line)
        print(line.rstrip())

print(len(lines), "rows,", "none" if len(lines) == ROWS else "one", "is missing")
for full_name in sorted(found):
    name = full_name.removeprefix("compute.")
    print(f"{name}: {by_worker[name]} rows")
print(sum(alive(uri) for uri, _ in found.values()), "workers are left")
