"""TLS certificates for tests, made by the ``openssl`` command."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificate", "make_certificate"]


class Certificate(NamedTuple):
    """The files of a self-signed certificate.

    Attributes:
        certificate: the certificate, which is its own authority.
        key: the private key.
    """

    certificate: str
    key: str


def make_certificate(folder: Path, name: str, host: str = "localhost") -> Certificate:
    """Make a certificate for a host; the test is skipped where that is impossible."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl command to make certificates with")
    result = Certificate(str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "ec", "-days", "2", "-nodes"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName=DNS:{host}"),
            *("-out", result.certificate, "-keyout", result.key),
        ],
        check=True,
        capture_output=True,
    )
    return result
