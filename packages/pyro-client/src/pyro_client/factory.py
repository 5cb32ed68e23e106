"""Makes proxies of received references; found through an entry point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .proxy import Proxy, proxy_from_state

if TYPE_CHECKING:
    from pyro_protocol.references import ProxyState

__all__ = ["make_proxy"]


def make_proxy(state: ProxyState) -> Proxy:
    """Return an unconnected proxy for a received reference."""
    return proxy_from_state(state._pyro_state_())
