"""What a session may do, taken from the configuration once at its edge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..serializers import serializers
from ..wire import JOIN_BELOW
from ..wire.decoder import MAX_ANNOTATIONS_SIZE, MAX_INFLATE_RATIO

if TYPE_CHECKING:
    from ..config import Configuration

__all__ = ["SessionSettings"]


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """The limits and choices of a session; sizes in bytes.

    Attributes:
        max_message_size: the most that payload and annotations of one message
            may have, as received and inflated. 1 GiB, as in Pyro5: users send
            whole recordings in one call.
        handshake_message_size: the same limit while the peer is not admitted
            yet. 8 KiB: room for credentials, none for an attack on memory.
        max_annotations: the most annotations of one message. 256: programs use a
            handful.
        max_annotations_size: the most bytes of all annotations of one message.
        max_inflate_ratio: how many times larger than it arrived a compressed message
            may become, beyond 16 MiB.
        compress: whether payloads are compressed when sent.
        log_wire: whether messages are logged.
        accepted_serializers: the ids that requests may be made with. marshal is
            not among the defaults, because Python documents it as unsafe against
            hostile data.
    """

    max_message_size: int = 1024 * 1024 * 1024
    handshake_message_size: int = 8192
    max_annotations: int = 256
    max_annotations_size: int = MAX_ANNOTATIONS_SIZE
    max_inflate_ratio: int = MAX_INFLATE_RATIO
    compress: bool = False
    log_wire: bool = False
    accepted_serializers: frozenset[int] = frozenset(
        serializers[name].id for name in ("native", "serpent", "json", "msgpack")
    )

    @property
    def plain(self) -> bool:
        """Whether small messages need nothing but a header."""
        return not (
            self.compress or self.log_wire or self.max_message_size < JOIN_BELOW
        )

    @classmethod
    def from_config(cls, config: Configuration) -> SessionSettings:
        """Take the settings from a configuration.

        Raises:
            ValueError: ``SERIALIZERS_ACCEPTED`` names an unknown serializer, or
                ``HANDSHAKE_TIMEOUT`` leaves no time.
        """
        if config.HANDSHAKE_TIMEOUT <= 0:
            raise ValueError(
                "HANDSHAKE_TIMEOUT must be more than 0 seconds: without a bound, "
                "silent clients could use up all connections"
            )
        unknown = set(config.SERIALIZERS_ACCEPTED) - set(serializers)
        if unknown:
            raise ValueError(
                f"SERIALIZERS_ACCEPTED names unknown serializers: "
                f"{', '.join(sorted(unknown))}; known: {', '.join(sorted(serializers))}"
            )
        return cls(
            max_message_size=config.MAX_MESSAGE_SIZE,
            handshake_message_size=min(
                config.HANDSHAKE_MESSAGE_SIZE, config.MAX_MESSAGE_SIZE
            ),
            max_annotations=config.MAX_ANNOTATIONS,
            max_annotations_size=config.MAX_ANNOTATIONS_SIZE,
            max_inflate_ratio=config.MAX_INFLATE_RATIO,
            compress=config.COMPRESSION,
            log_wire=config.LOGWIRE,
            accepted_serializers=frozenset(
                serializers[name].id for name in config.SERIALIZERS_ACCEPTED
            ),
        )
