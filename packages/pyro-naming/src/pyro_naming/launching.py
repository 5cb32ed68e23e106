"""Starting a name server: in the background, or until something ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING, Final, NamedTuple

from pyro_protocol import NAMESERVER_NAME, URI, Configuration, config

from .asyncio_daemon import AsyncNameServerDaemon, Host
from .daemon import NameServerDaemon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .broadcast import BroadcastServer
    from .rights import Access
    from .storages import Storage

__all__ = [
    "StartedNameServer",
    "serve",
    "serve_until_signalled",
    "set_by_signals",
    "start_ns",
    "start_ns_loop",
]

_SHORTEST_POLL_SECONDS: Final = 0.01
_NOT_ANSWERED: Final = {"ipv6": "IPv6", "loopback": "localhost"}


class StartedNameServer(NamedTuple):
    """What `start_ns` has started.

    Attributes:
        uri: the URI that clients use.
        daemon: the server.
        broadcast: what answers broadcasts, or None.
    """

    uri: URI
    daemon: NameServerDaemon
    broadcast: BroadcastServer | None


def start_ns(
    host: Host | None = None,
    port: int | None = None,
    enableBroadcast: bool = True,
    bchost: str | None = None,
    bcport: int | None = None,
    unixsocket: str | None = None,
    nathost: str | None = None,
    natport: int | None = None,
    storage: Storage | str | None = None,
    *,
    zeroconf: bool = False,
    access: Access | None = None,
    config: Configuration = config,
) -> StartedNameServer:
    """Start a name server, which serves in a background thread from now on.

    The arguments are those of `AsyncNameServerDaemon`. The caller ends it with
    ``daemon.close()``; ``daemon.requestLoop()`` waits meanwhile.

    Raises:
        ValueError: arguments or settings do not fit together.
        NamingError: the storage cannot be opened.
        CommunicationError: an address cannot be listened on.
    """
    daemon = NameServerDaemon(
        AsyncNameServerDaemon(
            host,
            port,
            enableBroadcast,
            bchost,
            bcport,
            unixsocket,
            nathost,
            natport,
            storage,
            zeroconf=zeroconf,
            access=access,
            config=config,
        ),
        config=config,
    )
    return StartedNameServer(daemon.uriFor(NAMESERVER_NAME), daemon, daemon.broadcast)


def start_ns_loop(
    host: Host | None = None,
    port: int | None = None,
    enableBroadcast: bool = True,
    bchost: str | None = None,
    bcport: int | None = None,
    unixsocket: str | None = None,
    nathost: str | None = None,
    natport: int | None = None,
    storage: Storage | str | None = None,
    loopCondition: Callable[[], bool] | None = None,
    *,
    zeroconf: bool = False,
    access: Access | None = None,
    config: Configuration = config,
) -> None:
    """Run a name server until Ctrl-C, or until a condition no longer holds.

    It prints where it runs. The arguments are those of `AsyncNameServerDaemon`, and
    ``loopCondition``, which is asked every ``config.POLLTIMEOUT`` seconds.

    Raises:
        ValueError: arguments or settings do not fit together.
        NamingError: the storage cannot be opened.
        CommunicationError: an address cannot be listened on.
    """
    daemon = AsyncNameServerDaemon(
        host,
        port,
        enableBroadcast,
        bchost,
        bcport,
        unixsocket,
        nathost,
        natport,
        storage,
        zeroconf=zeroconf,
        access=access,
        config=config,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(daemon, loopCondition, config=config))


async def serve(
    daemon: AsyncNameServerDaemon,
    loop_condition: Callable[[], bool] | None = None,
    stop: asyncio.Event | None = None,
    *,
    remark: str = "",
    config: Configuration = config,
) -> None:
    """Run a name server that is not started yet, and print where it runs.

    Args:
        daemon: the name server.
        loop_condition: asked every ``config.POLLTIMEOUT`` seconds; ends the server
            when it no longer holds.
        stop: ends the server when it is set.
        remark: a line to print besides, once it runs.
        config: the settings.

    Raises:
        CommunicationError: an address cannot be listened on.
    """
    stop = stop or asyncio.Event()
    poll = max(config.POLLTIMEOUT, _SHORTEST_POLL_SECONDS) if loop_condition else None
    await daemon.start()
    try:
        for line in _opening_lines(daemon, remark):
            _say(line)
        while not stop.is_set() and (loop_condition is None or loop_condition()):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(poll):
                    await stop.wait()
    finally:
        await daemon.stop()
        _say("NS shut down.")


async def serve_until_signalled(
    daemon: AsyncNameServerDaemon, remark: str = ""
) -> None:
    """Run a name server until the process gets SIGINT or SIGTERM; see `serve`."""
    stop = asyncio.Event()
    with set_by_signals(stop):
        await serve(daemon, stop=stop, remark=remark)


@contextlib.contextmanager
def set_by_signals(event: asyncio.Event) -> Iterator[None]:
    """Have SIGINT and SIGTERM set an event of the running loop, meanwhile.

    To be used in the main thread.
    """
    loop = asyncio.get_running_loop()

    def handle(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(event.set)

    before = {number: signal.getsignal(number) for number in (SIGINT, SIGTERM)}
    for number, handler in before.items():
        # A shell starts background jobs so that Ctrl-C does not reach them.
        if handler is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _opening_lines(daemon: AsyncNameServerDaemon, remark: str) -> Iterator[str]:
    """Return what is printed at the start; programs wait for these very lines."""
    if daemon.broadcast is not None:
        yield f"Broadcast server running on {daemon.broadcast.locationStr}"
    elif daemon.broadcast_wanted and daemon.reach in _NOT_ANSWERED:
        yield f"Not starting broadcast server for {_NOT_ANSWERED[daemon.reach]}."
    if daemon.announcement is not None:
        yield f"Announced by mDNS as {daemon.announcement.name}"
    if remark:
        yield remark
    if daemon.found > 1:
        yield f"Persistent store contains {daemon.found} existing registrations."
    address = daemon.sock.getsockname() if daemon.sock else None
    kind = address[0] if isinstance(address, tuple) else "Unix domain socket"
    yield f"NS running on {daemon.location} ({kind})"
    if daemon.nat_location is None:
        yield f"URI = {daemon.uri}"
    else:
        yield f"internal URI = {daemon.internal_uri}"
        yield f"external URI = {daemon.uri}"


def _say(line: str) -> None:
    # At once, since whoever started the process may be waiting for it.
    print(line, flush=True)  # noqa: T201 - the documented output
