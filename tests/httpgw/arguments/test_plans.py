"""The plans for the methods of objects."""

from __future__ import annotations

from pyro_httpgw.arguments.plans import no_member, plan_of
from pyro_protocol.contract.described import described_by_names


def test_a_plan_is_made_once_for_a_description() -> None:
    description = described_by_names(None, ["heat"], [], [])
    assert plan_of(description) is plan_of(description)
    assert plan_of(description).method("heat") is plan_of(description).method("heat")
    assert plan_of(description).method("cool") is None
    assert plan_of(described_by_names(None, [], [], [])) is not plan_of(description)


def test_who_asks_for_what_there_is_not_is_told_what_there_is() -> None:
    description = described_by_names(None, ["heat"], [], ["target"])
    failed = no_member("http.house", "haet", description)
    assert failed.status == 404
    assert "did you mean 'heat'?" in str(failed)
    assert "did you mean 'target'?" in str(no_member("x", "Target", description))
