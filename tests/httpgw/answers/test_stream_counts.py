"""How many streams there may be."""

from __future__ import annotations

import pytest

from pyro_httpgw.answers.stream_counts import StreamCounts
from pyro_httpgw.errors import RequestRefusedError


def test_each_client_may_have_only_so_many() -> None:
    counts = StreamCounts(most_per_client=2)
    counts.begin("a")
    counts.begin("a")
    with pytest.raises(RequestRefusedError, match="you have 2") as refused:
        counts.begin("a")
    assert refused.value.status == 429
    assert ("Retry-After", "10") in refused.value.headers
    counts.begin("b")
    counts.end("a")
    counts.begin("a")
    assert counts.count == 3


def test_all_together_may_have_only_so_many() -> None:
    counts = StreamCounts(most=2)
    counts.begin("a")
    counts.begin("b")
    with pytest.raises(RequestRefusedError, match="there are 2") as refused:
        counts.begin("c")
    assert refused.value.status == 503
    counts.end("b")
    counts.begin("c")


def test_clients_that_cannot_be_told_apart_share_no_bound() -> None:
    counts = StreamCounts(most=3, most_per_client=1)
    for _ in range(3):
        counts.begin("")
    with pytest.raises(RequestRefusedError, match="there are 3"):
        counts.begin("")


def test_nobody_is_remembered_who_has_none() -> None:
    counts = StreamCounts()
    counts.begin("a")
    counts.end("a")
    assert counts.count == 0
    assert not counts._clients
