"""A line between clients and a server on which things can go wrong."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from ..uri import URI
from .faults import NO_FAULTS, Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FaultyLine", "faulty_line"]

_SIZE: Final = 65536
# How much of a direction may wait in the line. 1 MiB: as much as systems keep.
_MOST_WAITING: Final = 1 << 20
# How long the other side, or the thread of the line, may take for what is quick.
_PATIENCE: Final = 40.0
# Closing then tells the peer that the connection was lost, and drops what is under way.
_ABORT: Final = struct.pack("ii", 1, 0)


class _Flow:
    """One direction of a connection, and what of it is under way."""

    def __init__(
        self, source: socket.socket, target: socket.socket, *, upwards: bool
    ) -> None:
        self.source = source
        self.target = target
        self.upwards = upwards
        # Each with the time at which it arrives.
        self.waiting: deque[tuple[float, memoryview]] = deque()
        self.size = 0
        # Whether the connection ends when all has arrived, and how.
        self.ends = False
        self.abort = False

    def send_due(self, now: float) -> bool:
        """Send what is due; return whether the target takes no more at the moment."""
        while self.waiting and self.waiting[0][0] <= now:
            due, data = self.waiting[0]
            try:
                sent = self.target.send(data)
            except BlockingIOError:
                return True
            self.size -= sent
            if sent < len(data):
                self.waiting[0] = due, data[sent:]
            else:
                self.waiting.popleft()
        return False


class _Pair:
    """A connection of a client, and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        up = _Flow(client, server, upwards=True)
        down = _Flow(server, client, upwards=False)
        self.flows = {client: up, server: down}


class FaultyLine:
    """Passes on what clients and a server say, with faults that a test asks for.

    A thread of its own does that, on a port of this machine that the system chooses.
    Leaving the ``with`` block, or `close`, ends it, and cuts all connections.

    Args:
        address: where the server is: ``host:port``, ``./u:path``, a pair of host and
            port, or the URI of one of its objects.
        faults: what is to go wrong from the beginning.

    Attributes:
        location: where clients connect to, as in a URI.
        to_server: how many bytes the server was sent since faults were set last.
        to_client: how many bytes the client was sent since then.
    """

    def __init__(
        self, address: str | tuple[str, int] | URI, faults: Faults = NO_FAULTS
    ) -> None:
        self._server = _uri_of(address)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0)
        self.location: str = "{}:{}".format(*self._listener.getsockname())
        self._lock = threading.Lock()
        self.to_server: int = 0
        self.to_client: int = 0
        self._faults = faults
        self._selector = selectors.DefaultSelector()
        self._waker, self._alarm = socket.socketpair()
        self._selector.register(self._alarm, selectors.EVENT_READ, None)
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._pairs: set[_Pair] = set()
        self._orders: deque[tuple[Callable[[], None], threading.Event]] = deque()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="pyro-faulty-line")
        self._thread.start()

    def through(self, uri: URI | str) -> str:
        """Return the URI of an object of the server that leads through this line."""
        return f"PYRO:{URI(uri).object_id}@{self.location}"

    @property
    def faults(self) -> Faults:
        """What goes wrong; setting it begins to count bytes anew."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._lock:
            self.to_server = self.to_client = 0
            self._faults = faults

    def measure(self) -> None:
        """Count from now on, and let nothing go wrong."""
        self.faults = NO_FAULTS

    def cut_after(
        self,
        *,
        to_server: int | None = None,
        to_client: int | None = None,
        abort: bool = False,
    ) -> None:
        """Cut the connection once so many bytes more were passed on, and do it once.

        Args:
            to_server: bytes for the server; None for any number.
            to_client: bytes for the client; None for any number.
            abort: whether both ends see a lost connection rather than its end.
        """
        self.faults = Faults(
            Fault(cut_after=to_server, abort=abort),
            Fault(cut_after=to_client, abort=abort),
        )

    def lose_next_answer(self) -> None:
        """Cut the connection instead of passing on what the server says next."""
        self.cut_after(to_client=0)

    def cut(self, *, abort: bool = False) -> None:
        """Cut all connections, and return when that is done."""

        def cut() -> None:
            for pair in list(self._pairs):
                self._drop(pair, abort=abort)

        self._order(cut)

    def close(self) -> None:
        """Cut all connections, and stop; harmless if that has been done."""
        if self._closed:
            return
        self._closed = True
        self._waker.send(b"\0")
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            raise RuntimeError(f"the line at {self.location} does not end")
        for pair in list(self._pairs):
            self._drop(pair, abort=False)
        self._selector.close()
        for sock in (self._listener, self._waker, self._alarm):
            sock.close()

    def _order(self, work: Callable[[], None]) -> None:
        """Have the thread do something, and wait for it."""
        done = threading.Event()
        self._orders.append((work, done))
        self._waker.send(b"\0")
        if not done.wait(_PATIENCE):
            raise RuntimeError(f"the line at {self.location} does not run")

    def _run(self) -> None:
        while not self._closed:
            for key, events in self._selector.select(self._pause()):
                if key.fileobj is self._alarm:
                    self._alarm.recv(_SIZE)
                elif key.fileobj is self._listener:
                    self._accept()
                elif key.data in self._pairs and events & selectors.EVENT_READ:
                    self._read(key.data.flows[key.fileobj])
            while self._orders:
                work, done = self._orders.popleft()
                work()
                done.set()
            for pair in list(self._pairs):
                self._pass_on(pair)

    def _pause(self) -> float | None:
        """Return how long until something is due; None if nothing is under way."""
        now = time.monotonic()
        dues = [
            flow.waiting[0][0]
            for pair in self._pairs
            for flow in pair.flows.values()
            # What is due already waits for its target, not for the time.
            if flow.waiting and flow.waiting[0][0] > now
        ]
        return min(dues) - now if dues else None

    def _accept(self) -> None:
        try:
            client, _address = self._listener.accept()
        except OSError:
            # It has gone again.
            return
        try:
            server = _connected(self._server)
        except OSError:
            client.close()
            return
        pair = _Pair(client, server)
        self._pairs.add(pair)
        for end in pair.flows:
            end.settimeout(0)
            if end.family != getattr(socket, "AF_UNIX", None):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end, selectors.EVENT_READ, pair)

    def _read(self, flow: _Flow) -> None:
        if flow.ends or flow.size >= _MOST_WAITING:
            return
        try:
            data = flow.source.recv(_SIZE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            flow.ends = True
            return
        with self._lock:
            data, fault = self._after_faults(flow, data)
        if data:
            flow.waiting.append((time.monotonic() + fault.delay, memoryview(data)))
            flow.size += len(data)

    def _after_faults(self, flow: _Flow, data: bytes) -> tuple[bytes, Fault]:
        """Count bytes, and return those that get through."""
        faults = self._faults
        fault = faults.to_server if flow.upwards else faults.to_client
        count = self.to_server if flow.upwards else self.to_client
        if fault.cut_after is not None and count + len(data) >= fault.cut_after:
            data = data[: max(fault.cut_after - count, 0)]
            flow.ends = True
            flow.abort = fault.abort
            self._faults = Faults(
                Fault(faults.to_server.delay, None, faults.to_server.drop_after),
                Fault(faults.to_client.delay, None, faults.to_client.drop_after),
            )
        if fault.drop_after is not None:
            data = data[: max(fault.drop_after - count, 0)]
        if flow.upwards:
            self.to_server += len(data)
        else:
            self.to_client += len(data)
        return data, fault

    def _pass_on(self, pair: _Pair) -> None:
        """Send what is due, and say what the connection waits for."""
        now = time.monotonic()
        full: set[socket.socket] = set()
        for flow in pair.flows.values():
            try:
                if flow.send_due(now):
                    full.add(flow.target)
            except OSError:
                self._drop(pair, abort=False)
                return
            if flow.ends and not flow.waiting:
                self._drop(pair, abort=flow.abort)
                return
        for end, flow in pair.flows.items():
            reads = not flow.ends and flow.size < _MOST_WAITING
            events = (selectors.EVENT_READ if reads else 0) | (
                selectors.EVENT_WRITE if end in full else 0
            )
            self._watch(end, events, pair)

    def _watch(self, end: socket.socket, events: int, pair: _Pair) -> None:
        known = end in self._selector.get_map()
        if not events:
            if known:
                self._selector.unregister(end)
        elif not known:
            self._selector.register(end, events, pair)
        elif self._selector.get_key(end).events != events:
            self._selector.modify(end, events, pair)

    def _drop(self, pair: _Pair, *, abort: bool) -> None:
        self._pairs.discard(pair)
        for end in pair.flows:
            self._watch(end, 0, pair)
            if abort:
                # Not every kind of socket knows it.
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def faulty_line(
    address: str | tuple[str, int] | URI, faults: Faults = NO_FAULTS
) -> FaultyLine:
    """Return a line to a server, to be used in a ``with`` block; see `FaultyLine`."""
    return FaultyLine(address, faults)


def _uri_of(address: str | tuple[str, int] | URI) -> URI:
    if isinstance(address, URI):
        return address
    if isinstance(address, tuple):
        host, port = address
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return URI(address if address.startswith("PYRO") else f"PYRO:server@{address}")


def _connected(uri: URI) -> socket.socket:
    if uri.sockname is not None:
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.settimeout(_PATIENCE)
            sock.connect(uri.sockname)
        except BaseException:
            sock.close()
            raise
        return sock
    return socket.create_connection((uri.host, uri.port), _PATIENCE)
