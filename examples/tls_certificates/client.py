"""Send a sample: python client.py FOLDER NAME PYRO:samples@..."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

from pyro_client import Configuration, Proxy, errors

folder, name, uri = Path(sys.argv[1]), *sys.argv[2:]
settings = Configuration(SSL=True, SSL_CACERTS=str(folder / "authority.pem"))
if name != "none":
    settings.SSL_CLIENTCERT = str(folder / f"{name}.pem")
    settings.SSL_CLIENTKEY = str(folder / f"{name}.key")

with Proxy(uri, config=settings) as samples:
    try:
        samples._pyroBind()
        connection = samples._pyroConnection
        if connection is not None and isinstance(connection.sock, ssl.SSLSocket):
            print("Connected by", connection.sock.version())
        print(samples.store("a slice of cheese"))
    except errors.CommunicationError as error:
        sys.exit(f"Not let in: {error}")
