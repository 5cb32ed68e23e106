"""Figures from samples, and the report as Markdown and as JSON."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from measures import MEASURES
from peers.registry import LIMIT, OURS, PEERS, REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sampling import Sample

__all__ = [
    "PLACEMENTS",
    "Measurement",
    "as_json",
    "describe_machine",
    "format_measurement",
    "format_summary",
    "format_versions",
]

PLACEMENTS = {
    "pinned": "Table 1: client and server pinned to one CPU",
    "split": "Table 2: client and server pinned to a CPU each",
    "unpinned": "Table 3: unpinned",
}
"""Where the processes may run, with the heading of each table."""


@dataclass(slots=True)
class Measurement:
    """All samples of one measure in one placement.

    Attributes:
        placement: a key of ``PLACEMENTS``.
        measure: a key of ``MEASURES``.
        samples: by peer, one for each round from the first on, fewer of slow peers.
        failures: why a peer has no samples.
    """

    placement: str
    measure: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def rates(self, peer: str) -> list[float]:
        """Return the peer's figure in each round, in the unit of the measure."""
        amount = MEASURES[self.measure].amount
        return [
            sample.operations * amount / sample.seconds
            for sample in self.samples.get(peer, [])
        ]

    def ratio(self, peer: str, other: str) -> float | None:
        """Return how many times the other's figure the peer reached.

        The median of the rounds' own ratios, because what slows the machine down
        for a while slows both sides of a round.
        """
        pairs = list(zip(self.rates(peer), self.rates(other), strict=False))
        return median(rate / base for rate, base in pairs) if pairs else None

    def client_cpu(self, peer: str) -> float:
        """Return microseconds of processor time per operation in the client."""
        return 1e6 * median(
            sample.client_cpu / sample.operations for sample in self.samples[peer]
        )

    def server_cpu(self, peer: str) -> float:
        """Return microseconds of processor time per operation in the server."""
        return 1e6 * median(
            sample.server_cpu / sample.operations for sample in self.samples[peer]
        )

    def elsewhere(self, peer: str) -> float:
        """Return the share of the time, 0 to 1, that neither process used."""
        return median(sample.elsewhere for sample in self.samples[peer])


def describe_machine() -> str:
    """Return one line about the machine and this Python."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (
        f"{os.cpu_count()} CPUs ({model}), {platform.system()} {platform.release()},"
        f" {platform.python_implementation()} {platform.python_version()},"
        f" load {os.getloadavg()[0]:.2f} at the start"
    )


def format_versions(versions: Mapping[str, str]) -> str:
    """Return a Markdown list of what each peer is."""
    return "\n".join(f"* {PEERS[name].title}: {versions[name]}" for name in versions)


def format_measurement(measurement: Measurement) -> str:
    """Return the Markdown table of one measure, its rows in the order of the peers."""
    measure = MEASURES[measurement.measure]
    pinned = measurement.placement == "pinned"
    columns = [
        "peer",
        f"median {measure.unit}",
        "min-max",
        "to Pyro5 default",
        "to raw",
        "client CPU µs",
        "server CPU µs",
        *(["elsewhere"] if pinned else []),
    ]
    lines = [
        f"### {measure.title}",
        "",
        _row(columns),
        "|---|" + "--:|" * (len(columns) - 1),
    ]
    for name, entry in PEERS.items():
        if rates := measurement.rates(name):
            cells = [
                entry.title,
                _figure(median(rates)),
                f"{_figure(min(rates))}-{_figure(max(rates))}",
                _ratio(measurement.ratio(name, REFERENCE)),
                _ratio(measurement.ratio(name, LIMIT)),
                _figure(measurement.client_cpu(name)),
                _figure(measurement.server_cpu(name)),
                *([f"{measurement.elsewhere(name):.0%}"] if pinned else []),
            ]
            lines.append(_row(cells))
        elif name in measurement.failures:
            empty = [""] * (len(columns) - 2)
            lines.append(_row([entry.title, "failed", *empty]))
    for name, reason in measurement.failures.items():
        lines += ["", f"{name} failed: {reason}"]
    return "\n".join(lines)


def format_summary(measurements: Iterable[Measurement]) -> str:
    """Return one Markdown table of our ratios; empty if nothing can be compared."""
    found = [
        (MEASURES[one.measure].title, {name: one.ratio(OURS, name) for name in PEERS})
        for one in measurements
    ]
    others = [
        name
        for name in PEERS
        if name != OURS and any(ratios[name] is not None for _, ratios in found)
    ]
    if not others:
        return ""
    return "\n".join(
        [
            "### Summary: ours (default) as a multiple of",
            "",
            _row(["measure", *(PEERS[name].title for name in others)]),
            "|---|" + "--:|" * len(others),
            *(
                _row([title, *(_ratio(ratios[name]) for name in others)])
                for title, ratios in found
                if ratios[OURS] is not None
            ),
        ]
    )


def as_json(measurements: Iterable[Measurement]) -> list[dict[str, object]]:
    """Return every figure and every sample, ready for ``json.dump``."""
    return [
        {
            "placement": measurement.placement,
            "measure": measurement.measure,
            "unit": MEASURES[measurement.measure].unit,
            "failures": measurement.failures,
            "peers": {
                name: {
                    "median": median(measurement.rates(name)),
                    "minimum": min(measurement.rates(name)),
                    "maximum": max(measurement.rates(name)),
                    "ratio_to_pyro5": measurement.ratio(name, REFERENCE),
                    "ratio_to_raw": measurement.ratio(name, LIMIT),
                    "client_cpu_microseconds": measurement.client_cpu(name),
                    "server_cpu_microseconds": measurement.server_cpu(name),
                    "samples": [asdict(sample) for sample in samples],
                }
                for name, samples in measurement.samples.items()
            },
        }
        for measurement in measurements
    ]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _figure(value: float) -> str:
    """Return about three significant digits: the rest is noise."""
    if value >= 1000:
        digits = len(str(int(value))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _ratio(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
