"""A weather station, a name server and an HTTP gateway in processes of their own.

``pyro demo`` starts them, uses the station from this process in every
way there is, ends them, and exits with 0 if all that came back was right.
With ``--keep`` they stay up, for you to play with, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import threading
from io import TextIOWrapper
from typing import TYPE_CHECKING

from pyro_client import config

from .interruption import Interrupted, Interruption
from .processes import ChildProcess, stop_all
from .recording import RECORDING
from .report import Report
from .tour import STATION_NAME, STATION_TAGS, Tour

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Demo", "demo_parser", "main"]

HOST = "127.0.0.1"
STATION = "pyro_suite.demo.instrument:WeatherStation"

# Where the processes are at work: no module of the user is taken for one of ours.
FOLDER = RECORDING.parent

# The gateway passes on calls to objects with such names only.
GATEWAY_PATTERN = r"example\."

# How often --keep looks whether all processes are still there.
KEEP_CHECK_SECONDS = 0.5

# Of each process, when something failed: enough for a traceback and what led to it.
LOG_LINES_SHOWN = 40


class Demo:
    """The processes of one run, and what to do with them.

    The operating system chooses every port, so that any number of runs can go on at
    the same time. The caller must call `stop` in the end, whatever happened.
    """

    def __init__(self, report: Report, interruption: Interruption) -> None:
        self._report = report
        self._interruption = interruption
        self._children: list[ChildProcess] = []
        self._environment = _own_environment()
        self._name_server = ""
        self._gateway_url = ""

    def start(self) -> None:
        """Start name server, object server and gateway, until all are ready."""
        with self._report.step("Start the processes") as step:
            self._name_server = step.call(
                "python -m pyro_naming", self._start_name_server, _nothing
            )
            server, self._gateway_url = step.call(
                f"python -m pyro_server {STATION}; python -m pyro_httpgw",
                self._start_servers,
                _nothing,
            )
            for child, address in zip(
                self._children,
                (self._name_server, server, self._gateway_url),
                strict=True,
            ):
                step.say(f"{child.role:13} process {child.pid}, {address}")
            step.say(f"{'client':13} process {os.getpid()}, this one")
            step.conclude(f"{len(self._children)} processes beside this one")

    def visit(self) -> None:
        """Use the weather station as its client."""
        Tour(self._report, self._name_server, self._gateway_url).run()

    def stay(self) -> None:
        """Keep everything up until the user wants to end, or a process ends."""
        self._report.print(_invitation(self._name_server, self._gateway_url))
        pause = threading.Event()
        with self._report.step("Keep the processes up") as step:
            try:
                while not any(child.ended for child in self._children):
                    pause.wait(KEEP_CHECK_SECONDS)
            except Interrupted:
                step.conclude("ended on request")
            ended = [child.role for child in self._children if child.ended]
            step.check("all were up until now", holds=not ended)

    def stop(self) -> None:
        """End every process and wait until it is gone."""
        with self._report.step("Stop the processes") as step:
            ended_before = [child.role for child in self._children if child.ended]
            killed = step.call(
                "process.terminate(); process.wait()",
                lambda: stop_all(self._children),
                _nothing,
            )
            for child in self._children:
                step.say(f"{child.role:13} exit status {child.returncode}")
            step.check("all were up until now", holds=not ended_before)
            step.check("all ended when asked to", holds=not killed)
            step.conclude("nothing is left running")

    def print_logs(self) -> None:
        """Print what the processes have said last."""
        for child in self._children:
            self._report.heading(
                f"Output of the {child.role}: python {' '.join(child.arguments)}"
            )
            self._report.print("\n".join(child.log[-LOG_LINES_SHOWN:]))

    def _start_name_server(self) -> str:
        child = self._spawn(
            "name server",
            *("-m", "pyro_naming", "-n", HOST, "-p", "0", "-x", "-s", "memory"),
        )
        ready = child.wait_for_line(re.compile(r"URI = PYRO:\S+@(\S+):(\d+)"))
        # From here on the others find it, as they would on a user's machine.
        self._environment["PYRO_NS_HOST"] = ready[1]
        self._environment["PYRO_NS_PORT"] = ready[2]
        return f"{ready[1]}:{ready[2]}"

    def _start_servers(self) -> tuple[str, str]:
        tags = [word for tag in STATION_TAGS for word in ("--metadata", tag)]
        server = self._spawn(
            "object server",
            *("-m", "pyro_server", STATION),
            *("--name", STATION_NAME, "--host", HOST, *tags),
        )
        gateway = self._spawn(
            "HTTP gateway",
            *("-m", "pyro_httpgw", "-H", HOST, "-p", "0", "-e", GATEWAY_PATTERN),
        )
        uri = server.wait_for_line(re.compile(r"PYRO:\S+@(\S+:\d+)"))
        server.wait_for_line(re.compile("daemon running"))
        url = gateway.wait_for_line(re.compile(r"running on (http://\S+/pyro/)"))
        return uri[1], url[1]

    def _spawn(self, role: str, *arguments: str) -> ChildProcess:
        with self._interruption.deferred():
            child = ChildProcess(role, arguments, self._environment, FOLDER)
            self._children.append(child)
        return child


def demo_parser(prog: str = "pyro demo") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Remote calls between real processes: a name server, a recorded "
        "weather station, an HTTP gateway and a client, which checks every result.",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave everything up to play with, until Ctrl-C",
    )
    return parser


def main(arguments: Sequence[str] | None = None, prog: str = "pyro demo") -> int:
    """Run the demo and return its exit status.

    Args:
        arguments: the arguments; those of the command line if left out.
        prog: what the command is called in its messages.
    """
    keep: bool = demo_parser(prog).parse_args(arguments).keep
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # Settings made for other Pyro programs could send this one elsewhere.
    config.reset(use_environment=False)
    report = Report()
    interruption = Interruption()
    demo = Demo(report, interruption)
    interrupted: Interrupted | None = None
    try:
        with interruption.allowed():
            demo.start()
            if report.passed:
                demo.visit()
            if report.passed and keep:
                demo.stay()
    except Interrupted as error:
        interrupted = error
    finally:
        demo.stop()
    if interrupted is not None:
        report.error(f"\nEnded early: {interrupted}.")
        # What a shell reports of a program that a signal has ended.
        return 128 + interrupted.signal_number
    if not report.passed:
        demo.print_logs()
    report.summary()
    return 0 if report.passed else 1


def _nothing(_result: object) -> str:
    return ""


def _own_environment() -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYRO_")
    }
    return environment | {"PYTHONIOENCODING": "utf-8"}


def _invitation(name_server: str, gateway_url: str) -> str:
    host, _, port = name_server.rpartition(":")
    call = f"{gateway_url}{STATION_NAME}/statistics?column=wind&start=2015-01-01"
    python = shlex.quote(sys.executable)
    return f"""
Everything stays up until you press Ctrl-C. To play with it,

in a browser:
    {gateway_url}

in another terminal:
    curl '{call}'
    export PYRO_NS_HOST={host} PYRO_NS_PORT={port}
    {python} -m pyro_naming.nsc list
    {python} -m pyro_client PYRONAME:{STATION_NAME}
    {python} -m pyro_client PYRONAME:{STATION_NAME} reading 2014-08-11
"""
