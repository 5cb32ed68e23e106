"""Web gateways beside Pyro5's, under wrk.

    python benchmarks/gateway.py [--rounds N] [--seconds S] [--connections N,N]
                                 [--only NAMES] [--json FILE] [--pyro5-python FILE]

Needs wrk (a package of Debian and others). Prints Markdown; see the README beside this
file.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final, Self

from environment import EnvironmentFailedError, interpreter
from options import new_parser, numbers
from report import describe_machine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

__all__ = ["main"]

_TARGET: Final = Path(__file__).with_name("gateway_target.py")
_PATH: Final = "/pyro/http.thermostat/heat?room=kitchen"
_ANSWER: Final = {"room": "kitchen", "hours": "1"}

# wrk rounds what it prints for people.
_SCRIPT: Final = """
done = function(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  io.write(string.format(
    'RESULT {"requests": %d, "seconds": %f, "median": %f, "p99": %f, "failed": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, failed))
end
"""

_COLUMNS: Final = (
    *("gateway", "requests/s", "times Pyro5's", "median ms", "99 % ms"),
    *("CPU µs", "failed"),
)

_AGAINST: Final = "pyro5"

_CONNECTIONS: Final = (1, 64)

_GATEWAYS: Final = {
    "ours": ("**ours**, uvicorn", ("-m", "pyro_httpgw", "--server", "uvicorn")),
    "ours-threads": (
        "**ours**, threads",
        ("-m", "pyro_httpgw", "--server", "threads"),
    ),
    "pyro5": ("Pyro5's", ("-m", "Pyro5.utils.httpgateway")),
}


class GatewayError(Exception):
    """A gateway could not be started or measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What wrk and the system say about one round.

    Attributes:
        requests: how many were answered.
        seconds: how long it took.
        median: milliseconds that the middle one of the answers took.
        p99: milliseconds that 99 of 100 answers took at most.
        failed: how many were not answered, or with an error.
        cpu: seconds of processor time of the gateway.
    """

    requests: int
    seconds: float
    median: float
    p99: float
    failed: int
    cpu: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


class Gateway:
    """A gateway and the objects that it calls; a context manager.

    Args:
        name: one of `_GATEWAYS`.
        interpreter: Python that has the libraries.

    Raises:
        GatewayError: it does not start, or does not answer.
    """

    def __init__(self, name: str, interpreter: Path) -> None:
        self._name = name
        self._processes = ExitStack()
        library = "Pyro5.api" if name == "pyro5" else "pyro_suite"
        try:
            port = self._start(interpreter, (str(_TARGET), library), r"^(\d+)$")[1]
            arguments = (*_GATEWAYS[name][1], "-H", "127.0.0.1", "-p", "0")
            found = self._start(interpreter, arguments, r"(127\.0\.0\.1:\d+)", port)[1]
            self._address = found
            self._check()
        except BaseException:
            self._processes.close()
            raise

    def _start(
        self,
        interpreter: Path,
        arguments: Sequence[str],
        ready: str,
        name_server_port: str = "",
    ) -> re.Match[str]:
        """Start a process; return what it says when it is ready."""
        environment = {
            variable: text
            for variable, text in os.environ.items()
            if not variable.startswith("PYRO_")
        }
        if name_server_port:
            environment |= {
                "PYRO_NS_HOST": "127.0.0.1",
                "PYRO_NS_PORT": name_server_port,
            }
        process = subprocess.Popen(
            [str(interpreter), "-u", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=environment,
        )
        self._processes.callback(_end, process)
        self._process_id = process.pid
        assert process.stdout is not None
        for line in process.stdout:
            # Before it is ready it tells where the name server is.
            if "name server" in line:
                continue
            if match := re.search(ready, line):
                return match
        raise GatewayError(f"{self._name} does not start")

    def _check(self) -> None:
        client = http.client.HTTPConnection(self._address, timeout=10)
        client.request("GET", _PATH)
        answer = client.getresponse().read()
        client.close()
        if json.loads(answer) != _ANSWER:
            raise GatewayError(f"{self._name} answers {answer!r}")

    def _cpu(self) -> float:
        stat = Path(f"/proc/{self._process_id}/stat").read_text("ascii")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def sample(self, connections: int, seconds: float, script: Path) -> Sample:
        """Put load on it for some time.

        Raises:
            GatewayError: wrk fails.
        """
        before = self._cpu()
        result = subprocess.run(
            [
                *("wrk", "-t1", f"-c{connections}", f"-d{ceil(seconds)}s", "-s"),
                *(str(script), f"http://{self._address}{_PATH}"),
            ],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        found = re.search(r"^RESULT (.*)$", result.stdout, re.MULTILINE)
        if found is None:
            raise GatewayError(f"wrk: {result.stdout}{result.stderr}")
        return Sample(**json.loads(found[1]), cpu=self._cpu() - before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._processes.close()


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    with process:
        pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code."""
    parser = new_parser(__doc__, names=list(_GATEWAYS), rounds=5, seconds=3)
    parser.add_argument(
        "--connections",
        type=numbers(least=1),
        default=_CONNECTIONS,
        metavar="N,N",
        help=f"default: {','.join(map(str, _CONNECTIONS))}",
    )
    options = parser.parse_args(arguments)
    if shutil.which("wrk") is None or not Path("/proc/self/stat").exists():
        sys.stderr.write("The benchmark needs wrk, and Linux.\n")
        return 2
    print(f"# Web gateways\n\n{describe_machine()}; {options.rounds} rounds.")
    try:
        interpreters = {
            name: interpreter(
                "pyro5" if name == _AGAINST else None, pyro5=options.pyro5_python
            )
            for name in options.only or _GATEWAYS
        }
        samples = _measure(options, interpreters)
    except (EnvironmentFailedError, GatewayError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for connections, by_gateway in samples.items():
        print(_table(connections, by_gateway))
    if options.json:
        content = {
            connections: {
                name: [asdict(sample) for sample in found]
                for name, found in by_gateway.items()
            }
            for connections, by_gateway in samples.items()
        }
        options.json.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return 0


def _measure(
    options: argparse.Namespace, interpreters: Mapping[str, Path]
) -> dict[int, dict[str, list[Sample]]]:
    """Go round the gateways in turn, with one number of connections after the other."""
    samples: dict[int, dict[str, list[Sample]]] = {}
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory())
        script = Path(folder) / "report.lua"
        script.write_text(_SCRIPT, encoding="utf-8")
        gateways = {
            name: running.enter_context(Gateway(name, interpreter))
            for name, interpreter in interpreters.items()
        }
        for connections in options.connections:
            found: dict[str, list[Sample]] = {name: [] for name in gateways}
            for gateway in gateways.values():
                gateway.sample(connections, 1, script)
            order = deque(gateways)
            for _ in range(options.rounds):
                for name in order:
                    sample = gateways[name].sample(connections, options.seconds, script)
                    found[name].append(sample)
                order.rotate(-1)
            samples[connections] = found
    return samples


def _table(connections: int, samples: Mapping[str, list[Sample]]) -> str:
    lines = [
        f"\n## {connections} connection{'s' if connections > 1 else ''}\n",
        f"| {' | '.join(_COLUMNS)} |",
        "|---" + "|--:" * (len(_COLUMNS) - 1) + "|",
    ]
    theirs = samples.get(_AGAINST)
    for name, found in samples.items():
        ratio = ""
        if theirs is not None:
            pairs = zip(found, theirs, strict=True)
            ratio = f"{median(one.rate / other.rate for one, other in pairs):.1f}"
        cells = [
            _GATEWAYS[name][0],
            f"{median(one.rate for one in found):,.0f}",
            ratio,
            f"{median(one.median for one in found):.2f}",
            f"{median(one.p99 for one in found):.2f}",
            f"{median(1e6 * one.cpu / max(one.requests, 1) for one in found):.0f}",
            str(sum(one.failed for one in found)),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
