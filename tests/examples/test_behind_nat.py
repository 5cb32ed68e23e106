"""A daemon behind a router, which is a program here."""

from __future__ import annotations

import os
import sys

import pytest

from support.walkthrough import walk

# Linux has a whole network of loopback addresses. One of this process's own has no
# ports in use, so those of the README can be what they are.
PID = os.getpid()
INSIDE = f"127.{1 + PID // 65536 % 250}.{PID // 256 % 256}.{PID % 256}"
OUTSIDE = f"127.{1 + PID // 65536 % 250 + 1}.{PID // 256 % 256}.{PID % 256}"
ADDRESSES = {"192.168.1.7": INSIDE, "203.0.113.5": OUTSIDE}


@pytest.mark.skipif(sys.platform != "linux", reason="has one loopback address only")
def test_what_the_daemon_says_is_true_at_the_other_side_of_the_router() -> None:
    with walk(
        "behind_nat", staying=("server.py", "router.py"), replacing=ADDRESSES
    ) as steps:
        steps.follow()
