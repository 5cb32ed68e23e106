"""TLS in which both sides show a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.walkthrough import walk

if TYPE_CHECKING:
    from pathlib import Path


def test_only_a_client_with_a_known_certificate_is_let_in(tmp_path: Path) -> None:
    with walk(
        "tls_certificates", replacing={"/tmp/pyro-certificates": str(tmp_path)}
    ) as steps:
        steps.follow()
