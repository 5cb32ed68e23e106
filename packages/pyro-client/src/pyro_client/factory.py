"""Makes proxies of received references; found through an entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .async_received import references_are_async
from .leases import received_lease
from .proxy import Proxy, proxy_from_state

if TYPE_CHECKING:
    from pyro_protocol.references import ProxyState

    from .async_proxy import AsyncProxy

__all__ = ["make_proxy"]


def make_proxy(state: ProxyState) -> Proxy | AsyncProxy:
    """Return an unconnected proxy for a received reference.

    What an async proxy, or a callback of an async client, receives is an async proxy.
    """
    proxy: Proxy | AsyncProxy
    if references_are_async.get():
        from .async_proxy import async_proxy_from_state  # noqa: PLC0415 - if needed

        proxy = async_proxy_from_state(state._pyro_state_())
    else:
        proxy = proxy_from_state(state._pyro_state_())
    if state.lease is not None:
        binding = proxy._pyro_binding  # noqa: SLF001 - made here
        binding.lease = received_lease(binding.object_id, state.lease)
    return proxy
