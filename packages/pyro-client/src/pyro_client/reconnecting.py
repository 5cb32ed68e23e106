"""Telling the program that a connection was lost, and what was lost with it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .facts import facts_about

if TYPE_CHECKING:
    from pyro_protocol.transport import BlockingChannel
    from pyro_protocol.uri import URI

    from .binding import Binding

__all__ = ["resume", "warn_of_lost_session"]

_logger = logging.getLogger("pyro.client")


def resume(binding: Binding, lost: BlockingChannel, found: BlockingChannel) -> None:
    """Tell the program that a lost connection was replaced by another.

    Args:
        binding: whose connections they are; calls made meanwhile in this thread use
            the new one, other threads wait.
        lost: the connection that was lost.
        found: the new one.

    Raises:
        CommunicationError: the server could not be asked what it keeps.
        Exception: the program's hook raised it.
    """
    lost_session = getattr(lost, "left_behind", False) or (
        # Others, such as Pyro5's servers, do not tell.
        bool(found.session.capabilities) and facts_about(binding).per_connection
    )
    hook = None if binding.reconnected is None else binding.reconnected()
    if hook is not None:
        hook(lost_session)
    elif lost_session:
        warn_of_lost_session(binding.uri)


def warn_of_lost_session(uri: URI) -> None:
    """Log that the state of a session was lost."""
    _logger.warning(
        "the connection for %s was lost and made anew; what the server kept for it is "
        "gone: the object of the session, streams or callbacks (override "
        "_pyroReconnected to act on it)",
        uri,
    )
