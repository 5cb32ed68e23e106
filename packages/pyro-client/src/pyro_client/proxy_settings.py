"""What proxies of both kinds have in common: where they lead, and how they call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_protocol.uri import URI

if TYPE_CHECKING:
    from .async_binding import AsyncBinding
    from .binding import Binding
    from .retries import RetryPolicy

__all__ = ["ProxySettings"]


class ProxySettings:
    """The part of a proxy that asks nobody, and so is the same for both kinds."""

    # That of each kind knows how to call, in its own way.
    _pyro_binding: Binding | AsyncBinding

    def __dir__(self) -> list[str]:
        binding = self._pyro_binding
        return sorted({*super().__dir__(), *binding.methods, *binding.attributes})

    @property
    def _pyroUri(self) -> URI:
        """Where the object is."""
        return self._pyro_binding.uri

    @_pyroUri.setter
    def _pyroUri(self, uri: URI) -> None:
        binding = self._pyro_binding
        binding.uri = URI(uri, default_port=binding.config.NS_PORT)

    @property
    def _pyroMethods(self) -> set[str]:
        """Names of the remote methods; empty before the first connection."""
        return self._pyro_binding.methods

    @property
    def _pyroAttrs(self) -> set[str]:
        """Names of the remote attributes; empty before the first connection."""
        return self._pyro_binding.attributes

    @property
    def _pyroOneway(self) -> set[str]:
        """Names of the methods whose calls do not wait; may be changed."""
        return self._pyro_binding.oneway

    @_pyroOneway.setter
    def _pyroOneway(self, names: set[str]) -> None:
        self._pyro_binding.oneway = set(names)

    @property
    def _pyroMaxRetries(self) -> int:
        """How often a call is tried again after the connection was lost.

        As everywhere, only what has certainly not been run, or does no harm when it is
        run twice; see `RetryPolicy`. ``_pyroRetryPolicy`` overrides it.
        """
        return self._pyro_binding.max_retries

    @_pyroMaxRetries.setter
    def _pyroMaxRetries(self, retries: int) -> None:
        self._pyro_binding.max_retries = retries

    @property
    def _pyroRetryPolicy(self) -> RetryPolicy | None:
        """Which failed calls are tried again; None leaves it to ``_pyroMaxRetries``.

        With a policy ``_pyroTimeout`` is the time for all tries and pauses together.
        """
        return self._pyro_binding.retry_policy

    @_pyroRetryPolicy.setter
    def _pyroRetryPolicy(self, policy: RetryPolicy | None) -> None:
        self._pyro_binding.retry_policy = policy

    @property
    def _pyroHandshake(self) -> Any:
        """The value sent to the server's handshake hook when connecting."""
        return self._pyro_binding.handshake

    @_pyroHandshake.setter
    def _pyroHandshake(self, value: Any) -> None:
        self._pyro_binding.handshake = value

    @property
    def _pyroRawWireResponse(self) -> bool:
        """Whether calls return the answer as it was received, not its value."""
        return self._pyro_binding.raw_response

    @_pyroRawWireResponse.setter
    def _pyroRawWireResponse(self, raw: bool) -> None:
        self._pyro_binding.raw_response = raw

    def _pyro_state_(self) -> tuple[Any, ...]:
        """The fields in the order in which they travel."""
        binding = self._pyro_binding
        if binding.lease is not None:
            binding.lease.passed_on = True
        return (
            str(binding.uri),
            tuple(sorted(binding.oneway)),
            tuple(sorted(binding.methods)),
            tuple(sorted(binding.attributes)),
            binding.handshake,
            binding.serializer_name,
        )

    def __getstate__(self) -> tuple[Any, ...]:
        return self._pyro_state_()

    def __bool__(self) -> bool:
        return True
