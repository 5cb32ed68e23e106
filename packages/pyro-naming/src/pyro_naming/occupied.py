"""Who is in the way of a name server that cannot listen where it wants to."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from pyro_protocol import NAMESERVER_NAME, URI, NameServerClient
from pyro_protocol.errors import CommunicationError, PyroError

if TYPE_CHECKING:
    from pyro_protocol import Configuration

__all__ = ["occupant"]

# One on this machine answers at once, unless it hangs; and somebody waits for this.
_ANSWER_SECONDS: Final = 2.0
_EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced


def occupant(
    error: CommunicationError, unixsocket: str | None, config: Configuration
) -> str | None:
    """Return what is known about a name server that has the address already.

    Args:
        error: why the address cannot be listened on.
        unixsocket: the path of the Unix socket that was to be listened on, if any.
        config: the settings, with the host and the port that it was else.

    Returns:
        A sentence about it; None if something else is the matter, or listens there.
    """
    cause = error.__cause__
    if not isinstance(cause, OSError) or cause.errno != errno.EADDRINUSE:
        return None
    try:
        uri = _uri(config.HOST, config.NS_PORT, unixsocket)
        with NameServerClient(uri, config=config) as client:
            client._pyroTimeout = _ANSWER_SECONDS
            count = client.count()
    except PyroError:
        return None
    return f"a name server is running there already, with {count} names: {uri}"


def _uri(host: str, port: int, unixsocket: str | None) -> URI:
    if unixsocket:
        return URI(f"PYRO:{NAMESERVER_NAME}@./u:{unixsocket}")
    host = _EVERYWHERE.get(host, host)
    shown = f"[{host}]" if ":" in host else host
    return URI(f"PYRO:{NAMESERVER_NAME}@{shown}:{port}")
