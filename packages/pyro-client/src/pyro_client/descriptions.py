"""What the server of a proxy says that its object offers."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from pyro_protocol.contract.described import Description, read_description
from pyro_protocol.errors import CommunicationError

if TYPE_CHECKING:
    from .binding import Binding

__all__ = ["describe"]

_DAEMON_NAME: Final = "Pyro.Daemon"

# Each with what its connection was accepted with: after another handshake the server
# may be another one. The connection itself would be kept alive by being here.
_cache: weakref.WeakKeyDictionary[Binding, tuple[object, Description | None]] = (
    weakref.WeakKeyDictionary()
)


def describe(binding: Binding) -> Description | None:
    """Return what the server says about the object of a binding.

    It is asked once for each connection, which is made if there is none. The answer is
    None if the server does not tell, as those of Pyro5.

    Raises:
        CommunicationError: the server could not be asked.
        NamingError: the name could not be resolved.
    """
    channel = binding.connect()
    known = _cache.get(binding)
    if known is not None and known[0] is channel.accepted:
        return known[1]
    description = None
    try:
        answer = channel.call(_DAEMON_NAME, "get_description", (binding.object_id,), {})
    except CommunicationError as error:
        if not hasattr(error, "_pyroTraceback"):
            raise
    except Exception:  # noqa: BLE001, S110 - the server may answer with any exception
        pass
    else:
        description = read_description(answer)
    _cache[binding] = channel.accepted, description
    return description
