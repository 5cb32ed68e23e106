"""Make an authority and certificates: python make_certificates.py FOLDER [HOST]."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

DAYS = "365"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments: str) -> None:
    """Run the openssl command in the folder of the certificates."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S607 - as on PATH


def make(name: str, *more: str) -> None:
    """Make a key and its certificate; by itself, or as more arguments say."""
    files = ("-out", f"{name}.pem", "-keyout", f"{name}.key", "-days", DAYS)
    openssl("req", "-x509", *NEW_KEY, "-subj", f"/CN={name}", *files, *more)


folder = Path(sys.argv[1])
host = sys.argv[2] if len(sys.argv) > 2 else "localhost"
folder.mkdir(parents=True, exist_ok=True)

# Python is strict since 3.13: an authority has to say that it may sign.
make("authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
SIGNED = (
    *("-CA", "authority.pem", "-CAkey", "authority.key"),
    *("-addext", "basicConstraints=critical,CA:FALSE"),
)
make("server", *SIGNED, "-addext", f"subjectAltName=DNS:{host}")
make("microscope", *SIGNED)
make("stranger")

print("authority.pem is given to everybody")
print(f"server.pem and server.key are for the server, which is {host}")
print("microscope.pem and microscope.key are for a client")
print("stranger.pem and stranger.key are of somebody else, signed by nobody known")
