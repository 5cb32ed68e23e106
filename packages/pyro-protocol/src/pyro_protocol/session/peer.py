"""An end of a conversation with all that capabilities allow it to do.

Which messages are taken in, by what, and under which capability is told by one
table; it is the same for both ends.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ..wire import FrameError, MessageType
from .answering import Answerer, RefusedRequest
from .calling import SEQUENCE_NUMBERS, Caller
from .capabilities import CALLBACKS, CANCEL, CHUNKS, NATIVE
from .pinging import Pinger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire import Buffer
    from .capabilities import Agreement

__all__ = ["Peer", "accepted_kinds"]

_INVOKE: Final = int(MessageType.INVOKE)
_ONLY_NATIVE: Final = frozenset({NATIVE})

# The message types that a capability adds to those of an end. CANCEL comes only to
# where calls are answered.
_ADDED: Final[Mapping[str, frozenset[int]]] = {
    CALLBACKS: frozenset({MessageType.INVOKE, MessageType.RESULT}),
    CHUNKS: frozenset(
        {
            MessageType.ITEMS,
            MessageType.END,
            MessageType.CREDIT,
            MessageType.CLOSE,
            MessageType.WANT,
        }
    ),
}


# There are as many as there are sets of capabilities; programs use a few of them.
@lru_cache(64)
def accepted_kinds(usual: frozenset[int], names: frozenset[str]) -> frozenset[int]:
    """Return the message types that an end accepts.

    Args:
        usual: those it accepts if no capability is in force.
        names: the capabilities in force.
    """
    kinds = usual.union(*(_ADDED.get(name, ()) for name in names))
    if CANCEL in names and _INVOKE in kinds:
        kinds |= {MessageType.CANCEL}
    return kinds


class Peer(Caller, Answerer, Pinger):
    """What a client's and a server's session have in common."""

    __slots__ = ()

    def data_to_send(self) -> list[Buffer]:
        """Return the buffers to write, in order, since the last call."""
        if self._pong is not None:
            self._answer_ping(self._pong)
        if self._ready:
            self._send_ready()
        out = self._out
        if out:
            self._out = []
        return out

    def _agreed(
        self, agreement: Agreement, usual: frozenset[int], *, calls: int, answers: int
    ) -> None:
        """Bring an agreement into force.

        Args:
            agreement: what is in force.
            usual: the message types that this end accepts in any case.
            calls: how many calls made here may be in flight; 0 is no bound.
            answers: how many calls made there may be in flight; 0 is no bound.
        """
        names = agreement.names
        self.agreement = agreement
        self.capabilities = names
        self._window = calls
        self._most_running = answers or SEQUENCE_NUMBERS
        if not names <= _ONLY_NATIVE:
            self._make_room()
            self._routes = _ROUTES
        native = NATIVE in names
        self._usable = self._settings.usable[native]
        self._decoder.splits = native
        self._decoder.accepted = accepted_kinds(usual, names)

    def _refused(self, failure: FrameError) -> bool:
        """Whether what cannot be understood is a request, to be refused in its turn."""
        frame = failure.frame
        if frame is None or frame.kind != _INVOKE:
            return False
        refused = RefusedRequest.of(frame, failure.error)
        if self._routes:
            self._take_request(refused)
        else:
            self._events.append(refused)
        return True


# What takes in each type of message, at either end.
_ROUTES: Final[dict[int, Any]] = {
    int(kind): getattr(Peer, f"_take_{what}")
    for what, kind in (
        ("request", MessageType.INVOKE),
        ("result", MessageType.RESULT),
        ("ping", MessageType.PING),
        ("cancel", MessageType.CANCEL),
        ("items", MessageType.ITEMS),
        ("end", MessageType.END),
        ("credit", MessageType.CREDIT),
        ("close", MessageType.CLOSE),
        ("want", MessageType.WANT),
    )
}
