"""Store samples of clients with a certificate: python server.py FOLDER."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

from pyro_server import Daemon, Identity, current_context, expose
from pyro_server.authentication import CertificateAuthentication

folder = Path(sys.argv[1])


@expose
class Samples:
    """What the instruments have sent."""

    def __init__(self) -> None:
        self._samples: list[str] = []

    def store(self, sample: str) -> str:
        """Store a sample, and return from whom it is."""
        # Nobody is let in without one.
        identity: Identity = current_context.client.identity
        self._samples.append(sample)
        return f"stored by {identity.name}: {sample}"


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(folder / "server.pem", folder / "server.key")
context.load_verify_locations(folder / "authority.pem")
context.verify_mode = ssl.CERT_REQUIRED

known = CertificateAuthentication({"CN:microscope": Identity("microscope")})

with Daemon(ssl_context=context, authenticate=known) as daemon:
    print("samples:", daemon.register(Samples(), "samples"))
    daemon.requestLoop()
