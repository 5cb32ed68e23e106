"""Has clients do everything at random, and looks what is wrong and what is left.

    python tests/server/robustness/mix.py [--seconds N] [--seed N] [--workers N]
        [--servertype TYPE] [--clients N] [--switch SECONDS]

The long form of ``test_mixture.py``; with the packages installed it runs from the root
of the repository. Prints how much was done, and exits with 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from pyro_protocol.config import Configuration
from pyro_server import Daemon
from server.robustness.mixture import mix
from support.daemons import serving


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="each; default: 5")
    parser.add_argument("--seed", type=int, default=1, help="default: 1")
    parser.add_argument("--workers", type=int, help="default: 2, and then 80")
    parser.add_argument("--servertype", help="default: all of them, one by one")
    parser.add_argument("--clients", type=int, default=6, help="default: 6")
    parser.add_argument(
        "--switch", type=float, default=1e-6, help="of threads; default: 1e-6"
    )
    options = parser.parse_args()
    logging.disable()
    sys.setswitchinterval(options.switch)
    types = ("thread", "multiplex", "asyncio")
    return max(
        run(servertype, workers, options)
        for servertype in ([options.servertype] if options.servertype else types)
        for workers in ([options.workers] if options.workers else (2, 80))
    )


def run(servertype: str, workers: int, options: argparse.Namespace) -> int:
    """Run it for one kind of server, and return the exit status."""
    settings = Configuration(use_environment=False)
    settings.SERVERTYPE = servertype
    settings.THREADPOOL_SIZE, settings.THREADPOOL_SIZE_MIN = workers, 2
    settings.ITER_STREAM_LINGER = 0.0
    end = time.monotonic() + options.seconds
    what = f"{servertype}, {workers} workers, seed {options.seed}"
    with serving(Daemon(config=settings)) as daemon:
        try:
            done = mix(
                daemon,
                options.seed,
                clients=options.clients,
                over=lambda: time.monotonic() > end,
            )
        except AssertionError as error:
            sys.stdout.write(f"{what}: {error}\n")
            return 1
    sys.stdout.write(f"{what}: {sum(done.values())} calls, nothing wrong\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
