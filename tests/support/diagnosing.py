"""What tests of ``pyro-doctor`` look at in what it prints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pyro_client.doctor.command import main
from pyro_protocol.config import config

from .hosting import DEADLINE

if TYPE_CHECKING:
    import pytest

__all__ = ["Diagnosis", "Doctor"]


class Diagnosis(NamedTuple):
    """What the command has found.

    Attributes:
        status: its exit status.
        report: what it printed.
    """

    status: int
    report: dict[str, Any]

    @property
    def found(self) -> tuple[str | None, str, str]:
        """Part, step and cause of the failure, which the exit status tells of too."""
        failed = self.report["failed"]
        assert (self.status, self.report["ok"]) == (1, False), self.report
        assert failed["why"]
        assert failed["advice"]
        return failed["part"], failed["step"], failed["cause"]

    @property
    def warnings(self) -> list[str]:
        """The causes of warnings; nothing has failed."""
        assert (self.status, self.report["failed"]) == (0, None), self.report
        return [str(one["cause"]) for one in self.report["warnings"]]

    @property
    def advice(self) -> str:
        """All that is said about the failure."""
        failed = self.report["failed"]
        return " ".join([failed["why"], *failed["advice"]])

    @property
    def detail(self) -> str:
        """What was found at the step that failed."""
        return str(self.report["failed"]["detail"])

    def detail_of(self, part: str | None, step: str) -> str:
        """What was found at a step that was taken."""
        details = [
            str(one["detail"])
            for one in self.report["steps"]
            if (one["part"], one["step"]) == (part, step) and one["status"] != "skipped"
        ]
        assert details, self.report
        return details[0]


class Doctor:
    """Runs the command in this process.

    Args:
        capsys: what catches its output.
        monkeypatch: what takes settings back after the test.
    """

    def __init__(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(
        self, *args: str, timeout: float = DEADLINE, **settings: Any
    ) -> Diagnosis:
        """Return what it finds with these arguments and configuration items."""
        for item, value in settings.items():
            self._monkeypatch.setattr(config, item, value)
        status = main([*args, "--json", "--timeout", str(timeout)])
        return Diagnosis(status, json.loads(self._capsys.readouterr().out))
