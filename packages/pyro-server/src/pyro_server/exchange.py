"""What goes on beside the calls of one connection: streams, and callbacks."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakMethod

from pyro_protocol.context import CallState, call_state
from pyro_protocol.errors import SerializeError
from pyro_protocol.references import (
    CallbackState,
    StreamState,
    UnboundReferenceError,
    connection_references,
)
from pyro_protocol.session import (
    StreamClosed,
    StreamCredited,
    StreamReference,
    read_reply,
)
from pyro_protocol.session.signals import StreamEnded, StreamItems, StreamWants
from pyro_protocol.wire import FLAG_EXCEPTION, FLAG_ONEWAY, MessageType

from .argument_streams import ArgumentStreams
from .callbacks import Callback, CallbackTable
from .links import NATIVE_ID, Link
from .result_streams import ResultStreams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_protocol.dispatch import Call, StreamStarted
    from pyro_protocol.session import Signal
    from pyro_protocol.session.server import ServerEvent
    from pyro_protocol.wire import Annotations, Buffer, Frame, Payload

    from .connection import Connection
    from .links import LinkHost

__all__ = ["ClientExchange"]

_RESULT: Final = int(MessageType.RESULT)
_RESULTS: Final = "results"
_ARGUMENTS: Final = "arguments"
_CALLBACKS: Final = "callbacks"
# In which order they end.
_IN_TURN: Final = (_RESULTS, _ARGUMENTS, _CALLBACKS)


class ClientExchange:
    """The streams and callbacks of one connection.

    What keeps them is made when it is needed: most connections have neither.

    Args:
        connection: the connection.
        host: what serves it.

    Attributes:
        link: the connection.
    """

    __slots__ = ("__weakref__", "_parts", "link")

    def __init__(self, connection: Connection, host: LinkHost) -> None:
        self.link: Link = Link(connection, host)
        # Two requests may need one of them at once, so it is put there in one step.
        self._parts: dict[str, Any] = {}

    @property
    def results(self) -> ResultStreams:
        """The streams that methods have returned."""
        made: ResultStreams | None = self._parts.get(_RESULTS)
        if made is None:
            made = self._parts.setdefault(_RESULTS, ResultStreams(self.link))
        return made

    @property
    def arguments(self) -> ArgumentStreams:
        """The streams that the client has passed."""
        made: ArgumentStreams | None = self._parts.get(_ARGUMENTS)
        if made is None:
            # What a program keeps of it must not keep the whole connection in a cycle.
            loads = partial(_loads, self.link, WeakMethod(self._loads))
            new = ArgumentStreams(self.link, loads)
            made = self._parts.setdefault(_ARGUMENTS, new)
        return made

    @property
    def callbacks(self) -> CallbackTable:
        """The objects that the client has passed."""
        made: CallbackTable | None = self._parts.get(_CALLBACKS)
        if made is None:
            own = WeakMethod(self._encode_call), WeakMethod(self._read_answer)
            new = CallbackTable(
                self.link, *(partial(_do, self.link, one) for one in own)
            )
            made = self._parts.setdefault(_CALLBACKS, new)
        return made

    @property
    def calls_back(self) -> bool:
        """Whether the client has calls to answer."""
        return _CALLBACKS in self._parts and self.callbacks.calls > 0

    def written(self) -> None:
        """Take note that all there was could be written; the lock is held."""
        if _RESULTS in self._parts:
            self.results.written()

    def read_call(self, frame: Frame) -> Call:
        """Decode a request with streams or callbacks among its arguments.

        Raises:
            PyroError: it is malformed, or means something that is not there.
        """
        with self._bound(oneway=bool(frame.flags & FLAG_ONEWAY)):
            call: Call = self.link.session.read_call(frame)
        return call

    def encode_result(
        self,
        frame: Frame,
        value: object,
        annotations: Annotations,
        correlation_id: bytes | None,
    ) -> list[Buffer]:
        """Encode a result that holds callbacks of the client.

        Raises:
            PyroError: the answer cannot be sent.
        """
        with self._bound():
            answer: list[Buffer] = self.link.session.encode_result(
                frame, value, annotations, correlation_id
            )
        return answer

    def start_stream(self, frame: Frame, started: StreamStarted) -> StreamStarted:
        """Give a stream that is the result of a call its number, if it can have one."""
        serializer = self.link.session.serializers.get(frame.serializer_id)
        state = call_state.get() or CallState(self.link.connection.client)
        if serializer is None:
            return started
        return self.results.open(state, serializer, started)

    def forget_stream(self, started: StreamStarted) -> None:
        """Take back a stream whose call was answered otherwise in the meantime."""
        if started.number is not None:
            self.results.discard(started.number)

    def act_on(self, signal: Signal) -> None:
        """Act on what the client tells; the lock is held."""
        if isinstance(signal, StreamCredited):
            self.results.credited(signal.number)
        elif isinstance(signal, StreamClosed):
            self.results.closed(signal.number)
        elif isinstance(signal, StreamItems | StreamEnded | StreamWants):
            self.arguments.act_on(signal)

    def give_item(self, number: int, data: bytes, hold: list[Any]) -> bytes | None:
        """Answer a request for one item of a stream, if that can be done at once."""
        if _RESULTS not in self._parts:
            return None
        return self.results.give_item(number, data, hold)

    def take_answers(self, events: list[ServerEvent]) -> list[ServerEvent]:
        """Take in the answers to callbacks, return the requests; the lock is held."""
        requests: list[ServerEvent] = []
        for event in events:
            if getattr(event, "kind", None) == _RESULT:
                self.callbacks.answered(event)  # type: ignore[arg-type] # it is a frame
            else:
                requests.append(event)
        return requests

    def tidy(self) -> None:
        """Tell the client of what was dropped here since the last time."""
        if _CALLBACKS in self._parts:
            self.callbacks.release_dropped()
        if _ARGUMENTS in self._parts:
            with self.link.lock:
                self.arguments.close_dropped()

    def expire_streams(self, latest: float) -> None:
        """End the streams of results that were opened before ``latest``."""
        if _RESULTS in self._parts:
            with self.link.lock:
                self.results.expire(latest)

    def abandon(self) -> None:
        """End all of it: the client has gone."""
        with self.link.lock:
            if not self.link.lost:
                self.link.lost = True
                for kind in _IN_TURN if self._parts else ():
                    if kind in self._parts:
                        self._parts[kind].abandon()

    def encode(self, obj: object) -> CallbackState | None:
        """Return what travels for a callback; None for all else."""
        return self.callbacks.state_of(obj) if isinstance(obj, Callback) else None

    def decode(self, state: StreamState | CallbackState) -> object:
        """Return what stands for a stream or an object of the client."""
        if isinstance(state, StreamState):
            return self.arguments.accept(state.number)
        return self.callbacks.stand_in(state)

    @contextmanager
    def _bound(self, *, oneway: bool = False) -> Iterator[None]:
        """Have streams and callbacks encoded and decoded as those of this client."""
        references = _WithoutStreams(self) if oneway else self
        token = connection_references.set(references)
        try:
            yield
        finally:
            connection_references.reset(token)

    def _loads(self, item: Payload) -> Any:
        """Read an item of a stream that holds callbacks."""
        with self._bound():
            return self.link.session.serializers[NATIVE_ID].loads(item)

    def _encode_call(self, *call: Any) -> Payload:
        """Encode a call of an object of the client."""
        serializer = self.link.session.serializers[NATIVE_ID]
        with self._bound():
            payload: Payload = (
                serializer.dumps_call(*call)
                if self.link.session.compresses
                else serializer.encode_call(*call)
            )
        return payload

    def _read_answer(self, frame: Frame) -> Any:
        """Return or raise what the answer to a callback says."""
        session = self.link.session
        number = session.stream_number(frame)
        if number is not None:
            return self.arguments.adopt(number)
        try:
            value = read_reply(frame, NATIVE_ID, session.serializers)
        except UnboundReferenceError:
            with self._bound():
                value = read_reply(frame, NATIVE_ID, session.serializers)
        if type(value) is StreamReference and frame.flags & FLAG_EXCEPTION:
            raise SerializeError(
                "the client's function has returned an iterator, which it cannot send; "
                "have it return a list"
            )
        return value


def _do(link: Link, method: WeakMethod[Any], *args: Any) -> Any:
    """Call a method of the exchange of a connection, while there is one."""
    function = method()
    if function is None:
        raise link.closed_error()
    return function(*args)


def _loads(link: Link, loads_bound: WeakMethod[Any], item: Payload) -> Any:
    """Read an item of a stream."""
    try:
        return link.session.serializers[NATIVE_ID].loads(item)
    except UnboundReferenceError:
        return _do(link, loads_bound, item)


class _WithoutStreams:
    """The same for a oneway request, whose streams nobody would take back."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: ClientExchange) -> None:
        self._exchange = exchange

    def encode(self, obj: object) -> CallbackState | None:
        return self._exchange.encode(obj)

    def decode(self, state: StreamState | CallbackState) -> object:
        if isinstance(state, StreamState):
            raise SerializeError("a stream cannot be an argument of a oneway call")
        return self._exchange.decode(state)
