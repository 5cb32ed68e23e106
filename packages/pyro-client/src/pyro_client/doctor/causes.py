"""What the texts about all causes have in common."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["DAEMON_HOST", "FIREWALL", "LOGS", "NAT", "Advice"]


class Advice(NamedTuple):
    """What is said about a cause.

    Attributes:
        why: why this usually happens.
        steps: what to do, the likeliest first.
    """

    why: str
    steps: tuple[str, ...]


DAEMON_HOST: Final = (
    "Daemon(host=ADDRESS), pyro-serve --host ADDRESS, or PYRO_HOST in its environment; "
    "localhost is the default"
)
NAT: Final = (
    "if the server is behind a NAT router, it has to publish the router's address "
    "(NATHOST, NATPORT), and the router has to forward the port"
)
FIREWALL: Final = (
    "look for a firewall or packet filter: on the server, between the networks, at the "
    "cloud provider; it has to let this TCP port in"
)
LOGS: Final = (
    "read the server's log (PYRO_LOGLEVEL=DEBUG and PYRO_LOGFILE={stderr} in its "
    "environment)"
)
