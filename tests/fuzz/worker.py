"""One target under the coverage-guided fuzzer, which ends the process when it is done.

python tests/fuzz/worker.py TARGET [options and folders of libFuzzer]
"""

from __future__ import annotations

import sys
import tracemalloc
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))
# It tells of every module that it makes countable.
with (
    redirect_stderr(StringIO()),
    atheris.instrument_imports(include=["pyro_protocol"]),
):
    from fuzz.targets import TARGETS, TIMED_TARGETS

from fuzz.cost import bounded_memory, bounded_time


def main() -> None:
    """Fuzz the target that the command line names."""
    _, name, *options = sys.argv
    target = (TARGETS | TIMED_TARGETS)[name]

    def try_input(data: bytes) -> None:
        watched = partial(bounded_memory, target.run, made=target.makes)
        bounded_time(watched, data, target.makes)

    atheris.Setup([sys.argv[0], *options], try_input)
    tracemalloc.start(1)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
