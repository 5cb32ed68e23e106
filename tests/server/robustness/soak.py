"""Kills clients by the hundreds and compares what the server holds before and after.

    python tests/server/robustness/soak.py [--kills N] [--servertype TYPE]

The long form of ``test_killed_clients.py``; with the packages installed it runs from
the root of the repository. Prints what was left, and exits with 1 if anything was.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from server.robustness.world import PROGRAMS, Callers, Holdings, ServerProcess
from support.programs import Program

_AT_ONCE: Final = 100
"""Kills of one program, which has to be done in the time that tests wait."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000, help="default: 1000")
    parser.add_argument("--servertype", help="default: all of them, one by one")
    options = parser.parse_args()
    types = ("thread", "multiplex", "asyncio")
    chosen = [options.servertype] if options.servertype else types
    return max(soak(servertype, options.kills) for servertype in chosen)


def soak(servertype: str, kills: int) -> int:
    """Run it for one server type, and return the exit status."""
    server = ServerProcess(servertype)
    began = time.monotonic()
    try:
        holdings = Holdings(server)
        with Callers(server.uri()) as callers:
            for rest in range(kills, 0, -_AT_ONCE):
                count = str(min(rest, _AT_ONCE))
                killing = Program(PROGRAMS / "killed.py", server.location, count)
                with killing:
                    killing.wait_for(f"^KILLED {count}$")
                callers.wait_for_answers()
        holdings.wait_until_nothing_is_left()
    except AssertionError as error:
        sys.stdout.write(f"{servertype}: {error}\n")
        return 1
    finally:
        threads = server.thread_count()
        server.close()
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"{servertype}: {kills} killed in {seconds:.0f} s; nothing left\n"
        f"  {threads} threads; before and after: {holdings.before}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
