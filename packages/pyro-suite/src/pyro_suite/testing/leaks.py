"""What a test leaves behind, connections of proxies included."""

from __future__ import annotations

import gc

from pyro_client.sharing import SharedChannel
from pyro_client.sharing.watcher import watcher
from pyro_protocol.testing import Traces

__all__ = ["Leaks"]


class Leaks(Traces):
    """What there is more of than there was when this was made."""

    def __init__(self) -> None:
        # Its descriptors are there once for all connections.
        watcher()
        super().__init__(_open_connections)


def _open_connections() -> list[str]:
    """Return what connections of proxies that are not closed still have."""
    gc.collect()
    # To ask objects of others for their class may run code of theirs.
    channels = [one for one in gc.get_objects() if issubclass(type(one), SharedChannel)]
    left = []
    for one in channels:
        waiters, streams = one._waiters, one._streams  # noqa: SLF001 - what is left
        if not one.closed or waiters or streams or one._places:  # noqa: SLF001 - too
            left.append(f"{one.uri}: {len(waiters)} calls, {len(streams)} streams")
    return left
