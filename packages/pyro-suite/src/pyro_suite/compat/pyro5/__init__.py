"""Pyro5 by its own names: import this first, then ``Pyro5`` is what is here.

``python -m pyro_suite.compat.pyro5 program.py`` runs a program that way which knows
nothing of it.

Raises:
    ImportError: the real Pyro5 has been imported already.
"""

from __future__ import annotations

from typing import Final

from ..providing import provide

__all__: list[str] = []

_MODULES: Final = {
    "Pyro5": "package",
    "Pyro5.api": "api",
    "Pyro5.callcontext": "callcontext",
    "Pyro5.client": "client",
    "Pyro5.compatibility": "compatibility",
    "Pyro5.compatibility.Pyro4": "compatibility.pyro4",
    "Pyro5.configure": "configure",
    "Pyro5.core": "core",
    "Pyro5.errors": "errors",
    "Pyro5.nameserver": "nameserver",
    "Pyro5.nsc": "nsc",
    "Pyro5.protocol": "protocol",
    "Pyro5.serializers": "serializers",
    "Pyro5.server": "server",
    "Pyro5.socketutil": "socketutil",
    "Pyro5.utils": "utils",
    "Pyro5.utils.echoserver": "utils.echoserver",
    "Pyro5.utils.httpgateway": "utils.httpgateway",
}

provide("Pyro5", {name: f"{__name__}.{ours}" for name, ours in _MODULES.items()})
