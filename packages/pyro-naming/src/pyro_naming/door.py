"""Finding out who a client of a name server is, when it connects."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pyro_protocol.errors import SecurityError

if TYPE_CHECKING:
    from pyro_protocol.dispatch import ClientConnection

    from .rights import Access

__all__ = ["Door"]

_logger = logging.getLogger("pyro.naming")


class Door:
    """Checks the handshakes of a name server's clients.

    Args:
        access: what knows the clients.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def admit(self, client: ClientConnection, handshake: Any) -> str:
        """Take a note of who a client is, and return the answer for it.

        Raises:
            SecurityError: it may not connect.
        """
        client.identity = None
        try:
            client.identity = self._access.authenticate(client, handshake)
        except SecurityError:
            raise
        except Exception as error:  # noqa: BLE001 - the client stays outside
            # Its text may well be the credential.
            _logger.error("authenticating %s failed: %s", client, type(error).__name__)  # noqa: TRY400 - as above
            raise SecurityError("authentication failed") from None
        return "hello"
