"""Programs on several computers: here, on several addresses of this one."""

from __future__ import annotations

import sys

import pytest

from support.walkthrough import walk

ADDRESSES = {"192.168.1.5": "127.0.0.1", "192.168.1.7": "127.0.0.2"}


@pytest.mark.skipif(sys.platform != "linux", reason="has one loopback address only")
def test_the_client_finds_the_server_at_another_address_by_its_name() -> None:
    with walk("two_computers", replacing=ADDRESSES) as steps:
        steps.follow()
