"""What a worker process tells its supervisor: one line of JSON for each report."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .reloading import Stamp

__all__ = ["Failed", "Imported", "Ready", "Report", "ReportReader", "encode_report"]


@dataclasses.dataclass(frozen=True, slots=True)
class Ready:
    """The worker answers calls from now on.

    Attributes:
        uris: what it serves, by name.
    """

    uris: dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Failed:
    """The worker cannot serve, and ends.

    Attributes:
        message: why, in a line.
        details: more for people, in lines; a traceback.
    """

    message: str
    details: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Imported:
    """The worker depends on further source files.

    Attributes:
        files: what they were like, by path.
    """

    files: dict[str, Stamp]


Report = Ready | Failed | Imported

_KINDS: Final[dict[str, type[Report]]] = {
    "ready": Ready,
    "failed": Failed,
    "imported": Imported,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


def encode_report(report: Report) -> bytes:
    """Return a report as bytes for a `ReportReader`."""
    values = dataclasses.asdict(report)
    return json.dumps({"report": _NAMES[type(report)], **values}).encode() + b"\n"


class ReportReader:
    """Takes reports out of the bytes that arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def receive_data(self, data: bytes) -> list[Report]:
        """Return the reports that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        reports = []
        for line in lines:
            values = json.loads(line)
            reports.append(_KINDS[values.pop("report")](**values))
        return reports
