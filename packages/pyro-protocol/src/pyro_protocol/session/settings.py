"""What a session may do, taken from the configuration once at its edge."""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from ..errors import LocalProtocolError
from ..frozen import Frozen, computed
from ..serializers import Serializer, serializers, serializers_by_id, serializers_within
from ..serializers.opt_in import PICKLED_IDS, opted_in
from ..wire import JOIN_BELOW
from ..wire.decoder import MAX_ANNOTATIONS_SIZE, MAX_INFLATE_RATIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..config import Configuration
    from ..pyro4.signatures import HmacKey
    from .capabilities import Agreement
    from .client import ConnectAccepted
    from .server import ConnectRequest

__all__ = ["SessionSettings"]

_SEQUENCE_NUMBERS: Final = 0xFFFF


class SessionSettings(Frozen):
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
        max_in_flight: the most calls of the peer that may be unanswered at the same
            time, where that is agreed on. 1000: more threads or tasks of one program
            hardly wait at once, and each costs a request kept here.
        max_streams: the most streams open in each direction of one connection. 1000:
            programs iterate over a few, and each costs a generator.
        compress: whether payloads are compressed when sent.
        log_wire: whether messages are logged.
        accepted_serializers: the ids that requests may be made with. marshal is
            not among the defaults, because Python documents it as unsafe against
            hostile data.
        hmac_key: what messages of protocol 48 have to be signed with; None if they
            must not be.
        pyro4: the settings for clients that speak protocol 48, that of Pyro4; None if
            there can be none.
        pyro4_servers: the settings for servers that speak it; None if no such are
            called.
        serializers: what reads messages, by id; within the limits of nesting.
        plain: whether small messages need nothing but a header.
        usable: the serializers that requests have been made with, once checked; first
            where native is not in force, then where it is.
        usual_connects: what messages ask for that have begun conversations before, by
            the capabilities offered here and the message.
        usual_answers: what servers have answered to that before, and what was agreed
            on; by the capabilities offered here, the serializer, and the message
            without the name of the connection.
    """

    max_message_size: int = 1024 * 1024 * 1024
    handshake_message_size: int = 8192
    max_annotations: int = 256
    max_annotations_size: int = MAX_ANNOTATIONS_SIZE
    max_inflate_ratio: int = MAX_INFLATE_RATIO
    max_in_flight: int = 1000
    max_streams: int = 1000
    compress: bool = False
    log_wire: bool = False
    accepted_serializers: frozenset[int] = frozenset(
        serializers[name].id for name in ("native", "serpent", "json", "msgpack")
    )
    hmac_key: HmacKey | None = None
    pyro4: SessionSettings | None = None
    pyro4_servers: SessionSettings | None = None
    serializers: Mapping[int, Serializer] = serializers_by_id
    plain: bool = computed()
    # Both here, as they are the same for all sessions with the same settings.
    usable: tuple[dict[int, Serializer], dict[int, Serializer]] = computed()
    usual_connects: dict[tuple[Any, bytes], ConnectRequest] = computed()
    usual_answers: dict[tuple[Any, bytes], tuple[ConnectAccepted, Agreement]] = (
        computed()
    )

    def __post_init__(self) -> None:
        if not 1 <= self.max_in_flight <= _SEQUENCE_NUMBERS:
            raise ValueError(
                f"max_in_flight must be 1 to {_SEQUENCE_NUMBERS}, as calls are told "
                f"apart by their sequence numbers, not {self.max_in_flight!r}"
            )
        plain = not (
            self.compress or self.log_wire or self.max_message_size < JOIN_BELOW
        )
        object.__setattr__(self, "plain", plain)
        object.__setattr__(self, "usable", ({}, {}))
        object.__setattr__(self, "usual_connects", {})
        object.__setattr__(self, "usual_answers", {})

    def _compared(self) -> tuple[Any, ...]:
        # The mapping of serializers, the last field, cannot be hashed.
        return self._values()[:-1]

    @classmethod
    def from_config(cls, config: Configuration) -> SessionSettings:
        """Take the settings from a configuration.

        Raises:
            ValueError: ``SERIALIZERS_ACCEPTED`` names an unknown serializer.
            SerializeError: the library of one that it names is missing.
        """
        return _settings(tuple(config.SERIALIZERS_ACCEPTED), *_items_of(config))

    def with_hmac_key(self, key: HmacKey | None) -> SessionSettings:
        """Return the same settings with another key for clients of protocol 48.

        Raises:
            LocalProtocolError: there can be no such clients.
        """
        if self.pyro4 is None:
            raise LocalProtocolError(
                "a HMAC key is for Pyro4 clients, and they are not admitted; see "
                "PYRO4_CLIENTS"
            )
        return self.__replace__(pyro4=self.pyro4.__replace__(hmac_key=key))

    def limited(self, serializer: Serializer) -> Serializer:
        """Return the serializer of the same format that keeps to these limits."""
        return self.serializers.get(serializer.id, serializer)


_items_of: Final = attrgetter(
    "MAX_NESTING",
    "SERPENT_BYTES_REPR",
    "MAX_MESSAGE_SIZE",
    "HANDSHAKE_MESSAGE_SIZE",
    "MAX_ANNOTATIONS",
    "MAX_ANNOTATIONS_SIZE",
    "MAX_INFLATE_RATIO",
    "MAX_IN_FLIGHT",
    "MAX_STREAMS",
    "COMPRESSION",
    "LOGWIRE",
    "PYRO4_CLIENTS",
    "PYRO4_HMAC_KEY",
    "PYRO4_SERVERS",
)


# Each connection asks for them, and a program has few configurations.
@lru_cache(32)
def _settings(
    accepted: tuple[str, ...],
    max_nesting: int,
    bytes_repr: bool,
    max_message_size: int,
    handshake_message_size: int,
    max_annotations: int,
    max_annotations_size: int,
    max_inflate_ratio: int,
    max_in_flight: int,
    max_streams: int,
    compress: bool,
    log_wire: bool,
    pyro4_clients: bool,
    hmac_key: str,
    pyro4_servers: bool,
) -> SessionSettings:
    known = {**serializers, **dict.fromkeys(PICKLED_IDS)}
    unknown = set(accepted) - set(known)
    if unknown:
        raise ValueError(
            f"SERIALIZERS_ACCEPTED names unknown serializers: "
            f"{', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
        )
    settings = SessionSettings(
        max_message_size=max_message_size,
        handshake_message_size=min(handshake_message_size, max_message_size),
        max_annotations=max_annotations,
        max_annotations_size=max_annotations_size,
        max_inflate_ratio=max_inflate_ratio,
        max_in_flight=max_in_flight,
        max_streams=max_streams,
        compress=compress,
        log_wire=log_wire,
        accepted_serializers=frozenset(
            (serializers.get(name) or opted_in(name)).id for name in accepted
        ),
        serializers=serializers_within(max_nesting=max_nesting, bytes_repr=bytes_repr),
    )
    if not (pyro4_clients or pyro4_servers):
        return settings
    from .. import pyro4 as dialect  # noqa: PLC0415 - few programs need it

    variant = settings.__replace__(
        hmac_key=dialect.HmacKey(hmac_key) if hmac_key else None,
        serializers=dialect.pyro4_serializers(
            settings.accepted_serializers,
            max_nesting=max_nesting,
            bytes_repr=bytes_repr,
        ),
    )
    return settings.__replace__(
        pyro4=variant if pyro4_clients else None,
        pyro4_servers=variant if pyro4_servers else None,
    )
