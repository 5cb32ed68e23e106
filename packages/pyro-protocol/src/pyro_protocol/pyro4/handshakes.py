"""The two messages of Pyro4's handshake, read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import RemoteProtocolError
from ..frozen import NamedTuple
from ..serializers.opt_in import PICKLED_NAMES
from .frames import FLAG_METADATA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..serializers import Serializer
    from ..wire import Frame

__all__ = ["Pyro4Connect", "accept_value", "read_pyro4_connect"]


class Pyro4Connect(NamedTuple):
    """What a Pyro4 client says in its CONNECT.

    Attributes:
        object_id: the object that it asks about; None if it asks about none.
        greeting: the value for the program's own check.
    """

    object_id: str | None
    greeting: Any


def read_pyro4_connect(serializer: Serializer, frame: Frame) -> Pyro4Connect:
    """Return what a CONNECT holds.

    Nobody's code runs here before its client has been admitted: of the pickle family
    plain values are read only.

    Args:
        serializer: what it is written with.
        frame: the message.

    Raises:
        RemoteProtocolError: something is missing in it.
        SerializeError: it cannot be decoded, or is pickled and holds more than that.
    """
    if frame.serializer_id in PICKLED_NAMES:
        from .pickled import read_plain_pickle  # noqa: PLC0415 - few programs need it

        value = read_plain_pickle(bytes(frame.payload))
    else:
        value = serializer.loads(frame.payload)
    if not isinstance(value, dict) or "handshake" not in value:
        raise RemoteProtocolError("invalid connect message: needs handshake")
    if not frame.flags & FLAG_METADATA:
        return Pyro4Connect(None, value["handshake"])
    if not isinstance(value.get("object"), str):
        raise RemoteProtocolError(
            "invalid connect message: metadata is wanted, and no object named"
        )
    return Pyro4Connect(value["object"], value["handshake"])


def accept_value(frame: Frame, greeting: object, metadata: Mapping[str, Any]) -> object:
    """Return what a CONNECTOK holds.

    Args:
        frame: the CONNECT.
        greeting: the value for the client's own check.
        metadata: what the object offers, see `Members.offer`.
    """
    if not frame.flags & FLAG_METADATA:
        return greeting
    names = {kind: sorted(some) for kind, some in metadata.items()}
    return {"handshake": greeting, "meta": names}
