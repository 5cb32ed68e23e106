"""A web server with a page and the gateway: python site.py [PORT]."""

from __future__ import annotations

import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from pyro_httpgw import pyro_app

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

PAGE = Path(__file__).parent / "page.html"

# No other objects can be reached through this server.
pyro_app.ns_regex = r"house\."


class Server(ThreadingMixIn, WSGIServer):
    """Has a thread for each connection, as streams take long."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def site(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with the page, or have the gateway answer."""
    path = environ["PATH_INFO"]
    if path.startswith("/pyro/"):
        return pyro_app(environ, start_response)
    if path != "/":
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There is one page here: /"]
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [PAGE.read_bytes()]


port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
with make_server("localhost", port, site, Server, Quiet) as server:
    print(f"http://localhost:{server.server_port}/")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("The site is closed")
