"""Runs the Python blocks of a page as one program; started by `page_runs`.

Each line of standard input is a block: its file, its line there and its text.
"""

from __future__ import annotations

import json
import sys
import traceback
from types import ModuleType


def _run(job: dict[str, str | int], scope: ModuleType) -> None:
    # What a traceback names is the line in the page.
    padding = "\n" * (int(job["line"]) - 1)
    code = compile(
        f"{padding}{job['text']}", str(job["file"]), "exec", dont_inherit=True
    )
    exec(code, vars(scope))


def _main() -> None:
    # The names of this module are not part of the page.
    scope = sys.modules["__main__"] = ModuleType("__main__")
    for line in sys.stdin:
        try:
            _run(json.loads(line), scope)
        except BaseException:  # noqa: BLE001 - the test is told
            traceback.print_exc(file=sys.stdout)
            sys.stdout.write("<failed>\n")
        else:
            sys.stdout.write("<done>\n")


_main()
