"""How the proxies of Pyro4 programs connect and call, where that is special."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyro_client.binding import Binding
from pyro_client.retries import RetryPlan, RetryPolicy
from pyro_protocol.context import call_state
from pyro_protocol.errors import ConnectionClosedError
from pyro_protocol.errors import TimeoutError as PyroTimeoutError
from pyro_protocol.transport import BlockingChannel

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from pyro_protocol.config import Configuration
    from pyro_protocol.uri import URI

__all__ = ["Pyro4Binding"]


class Pyro4Binding(Binding):
    """Where a proxy leads, how it calls, and its connection if it has one.

    Besides what the base does: it signs messages with an HMAC key, in the protocol of
    Pyro4, forgets the annotations of a request once that was made, and repeats calls as
    Pyro4 does.

    Attributes:
        key: the HMAC key, or None.
    """

    __slots__ = ("key",)

    def __init__(
        self,
        uri: URI,
        config: Configuration,
        connected_socket: socket.socket | None = None,
    ) -> None:
        self.key: bytes | None = None
        super().__init__(uri, config, connected_socket)

    @classmethod
    def of(cls, binding: Binding) -> Pyro4Binding:
        """Return one with the settings of another, which is not connected."""
        if isinstance(binding, cls):
            return binding
        result = cls(binding.uri, binding.config, binding._connected_socket)  # noqa: SLF001 - its base
        binding.hand_on(result)
        return result

    @property
    def on_connected_socket(self) -> bool:
        """Whether it uses a socket of the program's, where there is no handshake."""
        return self._connected_socket is not None

    def copy(self) -> Pyro4Binding:
        """Return an unconnected binding with the same settings."""
        result = Pyro4Binding(self.uri, self.config, self._connected_socket)
        self.hand_on(result)
        result.key = self.key
        return result

    def _connect_to(self, uri: URI) -> BlockingChannel:
        if self.key is None:
            return super()._connect_to(uri)
        # Messages that are signed are those of Pyro4.
        settings = self.config.copy()
        settings.PYRO4_SERVERS = True
        settings.PYRO4_HMAC_KEY = self.key.decode("utf-8", "surrogateescape")
        return BlockingChannel.connect(
            uri,
            handshake=self.handshake,
            serializer=self.serializer_name,
            timeout=self.timeout,
            sequence=self.sequence,
            config=settings,
            in_pyro4=True,
        )

    def _choose_retries(self) -> None:
        super()._choose_retries()
        if self._retry_policy is None and self._max_retries > 0:
            self.retries: RetryPolicy | None = _Repeating(
                attempts=self._max_retries + 1,
                first_delay=0.0,
                errors=(ConnectionClosedError, PyroTimeoutError),
            )

    def _open(self, *, replace_uri: bool) -> BlockingChannel:
        protocol = self.uri.protocol
        if protocol == "PYRO" or (self.key is None and protocol == "PYRONAME"):
            return super()._open(replace_uri=replace_uri)
        # The name server has the same key. One of Pyro4 is asked for metadata in its
        # own way.
        from .naming import resolve  # noqa: PLC0415 - it is made of proxies

        uri = resolve(self.uri, hmac_key=self.key)
        return self._open_at(uri, replace_uri=replace_uri)

    def _call_somehow(
        self, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        # Calls that carry annotations always come here.
        try:
            return super()._call_somehow(method, args, kwargs)
        finally:
            _forget_annotations()

    def invoke_batch(self, calls: Sequence[Any], *, oneway: bool) -> Any:
        """Send several calls in one request and return the list of results."""
        try:
            return super().invoke_batch(calls, oneway=oneway)
        finally:
            _forget_annotations()


def _forget_annotations() -> None:
    """Take back what the program has set to be sent with one request."""
    state = call_state.get()
    if state is not None and state.own_annotations:
        state.own_annotations = None


class _Repeating(RetryPolicy):
    """Tries every call again, also one that may have been run, as Pyro4 does."""

    __slots__ = ()

    def start(self, random: Callable[[], float] | None = None) -> RetryPlan:
        return _RepeatingPlan(self, random or (lambda: 0.0))


class _RepeatingPlan(RetryPlan):
    __slots__ = ()

    def failed(
        self,
        error: Exception,
        idempotent: bool,  # noqa: ARG002 - it does not matter
        remaining: float | None = None,
    ) -> float | None:
        return super().failed(error, True, remaining)  # noqa: FBT003 - the parameter above

    def depends(self, error: Exception) -> bool:  # noqa: ARG002 - on nothing
        return False
