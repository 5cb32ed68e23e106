"""What workers tell their supervisor."""

from __future__ import annotations

from pyro_server.reports import (
    Failed,
    Imported,
    Ready,
    Report,
    ReportReader,
    encode_report,
)

REPORTS: list[Report] = [
    Imported({"/house.py": [123456789, 20], "/gone.py": []}),
    Ready({"lamp": "PYRO:lamp@localhost:5"}),
    Failed("no such module", 'File "ü.py"\n  line 2\n'),
]


def test_reports_arrive_as_they_were_however_they_are_cut() -> None:
    data = b"".join(map(encode_report, REPORTS))
    assert data.count(b"\n") == 3
    assert ReportReader().receive_data(data) == REPORTS
    reader = ReportReader()
    received = [reader.receive_data(data[at : at + 1]) for at in range(len(data))]
    assert [one for part in received for one in part] == REPORTS


def test_half_a_report_is_none() -> None:
    # As a worker leaves it that was killed.
    assert ReportReader().receive_data(encode_report(REPORTS[0])[:-1]) == []
