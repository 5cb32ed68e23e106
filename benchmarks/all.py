"""Everything that is measured, one command after the other, into a folder.

    python benchmarks/all.py [--quick] [--to FOLDER] [--only NAMES]
                             [--pyro5-python FILE]

Each command's Markdown, samples and plots are files of their own there, written as it
goes; see the README beside this file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aims import format_aims
from options import names_of
from report import describe_machine
from summary import as_summary

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

_HERE: Final = Path(__file__).parent
_RESULTS: Final = _HERE / "results"


@dataclass(frozen=True, slots=True)
class _Step:
    """A command.

    Attributes:
        title: in the report.
        program: the file.
        options: of the complete run.
        quick: of the short one; None leaves it out.
        json: whether it writes samples.
        plot: whether it draws.
        pyro5: whether it can be told where Pyro5 is.
    """

    title: str
    program: str
    options: str
    quick: str | None
    json: bool = True
    plot: bool = False
    pyro5: bool = True


_LIBRARIES: Final = ",".join(
    (
        *("raw", "ours", "pyro5", "pyro5-msgpack", "pyro4", "managers"),
        *("rpyc", "grpc", "thriftpy2", "zerorpc", "zeromq", "xmlrpc"),
    )
)
"""One configuration of each, but the two of Pyro5: what takes long is done once, on
one CPU."""

_STEPS: Final = {
    "calls-pinned": _Step(
        "Calls, on one CPU",
        "run.py",
        "--only pinned --rounds 5 --seconds 0.3",
        "--only pinned --rounds 3 --seconds 0.1",
    ),
    "growth": _Step(
        "Growth",
        "growth.py",
        "--rounds 5 --seconds 0.2",
        "--rounds 3 --seconds 0.05",
        plot=True,
    ),
    "idle": _Step(
        "Idle connections",
        "idle.py",
        "--rounds 5 --seconds 0.3",
        "--rounds 2 --seconds 0.1 --connections 2000",
    ),
    "imports": _Step("Imports", "imports.py", "--rounds 20", "--rounds 5"),
    "naming": _Step(
        "Name servers",
        "naming.py",
        "--sizes 1000,10000 --rounds 3 --seconds 0.25",
        "--sizes 1000 --rounds 2 --seconds 0.1",
        plot=True,
    ),
    "gateway": _Step(
        "Web gateways", "gateway.py", "--rounds 3 --seconds 2", "--rounds 1 --seconds 1"
    ),
    "serializers": _Step(
        *("Serializers", "serializers.py", "--rounds 5 --seconds 0.1"),
        "--rounds 3 --seconds 0.05",
        json=False,
        pyro5=False,
    ),
    "calls-split": _Step(
        "Calls, on two CPUs",
        "run.py",
        f"--only split,{_LIBRARIES} --rounds 3 --seconds 0.25",
        None,
    ),
    "calls-unpinned": _Step(
        "Calls, wherever the kernel likes",
        "run.py",
        f"--only unpinned,{_LIBRARIES} --rounds 3 --seconds 0.25",
        None,
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all and write the report; return 1 if a command failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a rough look")
    parser.add_argument("--to", type=Path, default=_RESULTS, metavar="FOLDER")
    parser.add_argument(
        "--only",
        type=names_of(list(_STEPS)),
        default=[],
        metavar="NAMES",
        help=f"comma-separated; default: all of {', '.join(_STEPS)}",
    )
    parser.add_argument("--pyro5-python", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    options.to.mkdir(parents=True, exist_ok=True)
    machine = describe_machine()
    outcomes: dict[str, str] = {}
    for name, step in _STEPS.items():
        chosen = step.quick if options.quick else step.options
        if chosen is None or (options.only and name not in options.only):
            continue
        began = time.monotonic()
        code = _run(name, step, chosen, options)
        taken = f"{time.monotonic() - began:.0f} s"
        outcomes[name] = taken if code == 0 else f"{taken}, **exit code {code}**"
        # After each: an interruption leaves a report of what there is.
        report = _report(options.to, machine, outcomes, quick=options.quick)
        (options.to / "README.md").write_text(report, "utf-8")
        drawing = as_summary(options.to / "calls-pinned.json")
        if drawing:
            (options.to / "summary.svg").write_text(drawing, "utf-8")
    return int(any("exit code" in outcome for outcome in outcomes.values()))


def _run(name: str, step: _Step, chosen: str, options: argparse.Namespace) -> int:
    """Run a command; show what it prints and write it to a file as well."""
    folder: Path = options.to
    command = [sys.executable, "-u", str(_HERE / step.program), *chosen.split()]
    if step.json:
        command.append(f"--json={folder / name}.json")
    if step.plot:
        command.append(f"--plot={folder / name}.svg")
    if step.pyro5 and options.pyro5_python:
        command.append(f"--pyro5-python={options.pyro5_python}")
    with (folder / f"{name}.md").open("w", encoding="utf-8") as file:
        running = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        assert running.stdout
        for line in running.stdout:
            print(line, end="", flush=True)
            file.write(line)
            file.flush()
    return running.wait()


def _report(
    folder: Path, machine: str, outcomes: dict[str, str], *, quick: bool
) -> str:
    table, missed = format_aims(folder)
    lines = ["# Results", "", f"{machine}.", ""]
    if quick:
        lines += ["**A quick run: the figures are rough.**", ""]
    lines += ["![how many times as fast as Pyro5](summary.svg)", "", "## Aims", ""]
    lines += [table, "", f"{missed} rows are not reached.", "", "## Parts", ""]
    for name, step in _STEPS.items():
        if (folder / f"{name}.md").exists():
            plot = f", [plot]({name}.svg)" if step.plot else ""
            samples = f", [samples]({name}.json)" if step.json else ""
            outcome = outcomes.get(name, "from another run")
            lines.append(f"* [{step.title}]({name}.md){plot}{samples}: {outcome}")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
