"""Call Pyro objects over HTTP and JSON, as a WSGI or ASGI application."""

from __future__ import annotations

from .__about__ import __version__
from .asgi import asgi_app
from .wsgi import pyro_app

__all__ = ["__version__", "asgi_app", "pyro_app"]
