"""Several servers for the same: proxies that spread their calls over all of them."""

from __future__ import annotations

from typing import Any, Final

from pyro_protocol.config import Configuration, config
from pyro_protocol.uri import URI, uri_of

from .proxy import Proxy
from .replica_binding import Candidate, ReplicaBinding, SpreadingPolicy

__all__ = ["Candidate", "ReplicaProxy", "SpreadingPolicy", "replicas"]

REFRESH_SECONDS: Final = 60.0
"""How often the name server is asked who is there, if nothing fails: new servers get
work after half a minute on average, and a name server hardly notices."""


def replicas(
    uri: str | URI,
    policy: SpreadingPolicy = "random",
    *,
    refresh: float = REFRESH_SECONDS,
    config: Configuration = config,
) -> ReplicaProxy:
    """Return a proxy that spreads its calls over all servers that a URI stands for.

    A server that fails is left alone for a while, and calls that have certainly not
    been run there, or do no harm when they are run twice, go to the next one.

    Args:
        uri: usually ``PYROMETA:`` and the tags that the servers have.
        policy: how the server for a call is chosen: ``"random"``; ``"round_robin"``,
            one after the other; ``"least_busy"``, where the fewest calls of this proxy
            are in flight.
        refresh: how often the name server is asked who is there, in seconds. It is also
            asked after a failure.
        config: the settings.

    Raises:
        PyroError: the URI is malformed.
        TypeError: it is neither text nor a URI.
        ValueError: there is no such policy, or ``refresh`` is not positive.
    """
    return ReplicaProxy(uri, policy, refresh=refresh, config=config)


class ReplicaProxy(Proxy):
    """Stands in for an object that several servers have; made by `replicas`.

    It has a connection to each server that it has called. What belongs to a connection,
    such as an instance of its own or a stream, stays where it was begun; the next call
    may go elsewhere.
    """

    _pyro_binding: ReplicaBinding

    def __init__(
        self,
        uri: str | URI,
        policy: SpreadingPolicy = "random",
        *,
        refresh: float = REFRESH_SECONDS,
        config: Configuration = config,
    ) -> None:
        target = uri_of(uri, config.NS_PORT)
        self._pyro_set_binding(ReplicaBinding(target, config, policy, refresh))

    @property
    def _pyroCandidates(self) -> tuple[Candidate, ...]:
        """The servers that calls are spread over; none before the first call."""
        return self._pyro_binding.candidates()

    def _pyroRefresh(self) -> None:
        """Ask the name server now who is there.

        Raises:
            NamingError: nobody is there, or no name server.
            CommunicationError: the name server did not answer.
        """
        self._pyro_binding.refresh()

    def __reduce__(self) -> tuple[Any, ...]:
        binding = self._pyro_binding
        arguments = binding.uri, binding.policy, binding.refresh_seconds
        return _restored, (*arguments, self._pyro_state_())


def _restored(
    uri: URI, policy: SpreadingPolicy, refresh: float, state: tuple[Any, ...]
) -> ReplicaProxy:
    """Return an unconnected proxy as it was before it was pickled."""
    proxy = ReplicaProxy(uri, policy, refresh=refresh)
    binding = proxy._pyro_binding  # noqa: SLF001 - made here
    _uri, oneway, methods, attributes, handshake, serializer = state
    binding.set_metadata(methods, oneway, attributes)
    binding.handshake = handshake
    binding.serializer_name = serializer
    return proxy
