"""Clients with tokens, and a handshake that both sides look at."""

from __future__ import annotations

from support.walkthrough import walk


def test_each_caller_may_do_what_the_token_allows() -> None:
    with walk("tokens") as steps:
        steps.follow()
