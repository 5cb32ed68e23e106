"""Makes proxies of received references; found through an entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .leases import received_lease
from .proxy import Proxy, proxy_from_state

if TYPE_CHECKING:
    from pyro_protocol.references import ProxyState

__all__ = ["make_proxy"]


def make_proxy(state: ProxyState) -> Proxy:
    """Return an unconnected proxy for a received reference."""
    proxy = proxy_from_state(state._pyro_state_())
    if state.lease is not None:
        binding = proxy._pyro_binding  # noqa: SLF001 - made here
        binding.lease = received_lease(binding.object_id, state.lease)
    return proxy
