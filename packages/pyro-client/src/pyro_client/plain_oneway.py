"""The short way of a usual oneway call, as `PlainCalls` has one for other calls."""

# ruff: noqa: SLF001 - this is a part of the binding's and the channel's, in one frame

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.context import call_state, concerns_calls
from pyro_protocol.errors import ConnectionClosedError
from pyro_protocol.serializers.native_packing import ATOMS
from pyro_protocol.session.short_messages import ONEWAY_CALL
from pyro_protocol.wire.frame import JOIN_BELOW

from .sharing.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .plain_calls import PlainCalls

__all__ = ["send_plainly"]

_DONT_WAIT: Final = getattr(socket, "MSG_DONTWAIT", 0)
_SEQUENCE_MASK: Final = 0xFFFF
_NO_KEYWORDS: Final = b"\x80"


def send_plainly(  # noqa: PLR0911 - what is not usual, one by one
    binding: PlainCalls, method: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> bool:
    """Send a oneway call with small plain arguments, if nothing else is in flight.

    Returns:
        Whether it was sent; if not, nothing has happened.

    Raises:
        CommunicationError: only a part of it could be sent.
    """
    usual = binding._usual
    state = call_state.get()
    if usual is None or (state is not None and concerns_calls(state)):
        return False
    if kwargs:
        return False
    for argument in args:
        if (kind := type(argument)) not in ATOMS and (
            kind is not bytes or len(argument) >= JOIN_BELOW
        ):
            return False
    channel, session, lock, pack, known, timeout, write, _ = usual
    beginning = known.get(method)
    if beginning is None:
        channel.learn(method)
        return False
    join, end, size, _ = beginning
    message: bytes | None = None
    sent = 0
    try:
        with lock:
            if channel._writing or channel._special or session._expected:
                return False
            # Nobody else has the lock, so that the packer is free.
            body = pack(args) + _NO_KEYWORDS
            size += len(body)
            if size >= JOIN_BELOW:
                # The packer would keep as much memory.
                binding._usual = None
                return False
            sequence = session.sequence = (session.sequence + 1) & _SEQUENCE_MASK
            message = join(ONEWAY_CALL, sequence, size, end) + body
            sent = write(message, _DONT_WAIT)
            if sent != len(message):
                channel._keep_unsent(memoryview(message)[sent:])
    except OSError:
        # The other way finds out what it is, or waits until there is room.
        return False
    except BaseException as error:
        if message is None and isinstance(error, Exception):
            # A packer that has failed is not used again.
            binding._usual = None
            return False
        # Nobody knows how much of it was written.
        channel._fail(ConnectionClosedError(f"the sender was interrupted ({error!r})"))
        raise
    if sent != len(message):
        deadline = None if timeout is None else time.monotonic() + timeout
        channel._transmit([], deadline, Waiter())
    return True
