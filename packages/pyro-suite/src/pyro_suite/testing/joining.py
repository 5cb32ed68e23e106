"""Real daemons and real proxies in the process of a test."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyro_client import Proxy
from pyro_protocol import URI, config
from pyro_protocol.testing import NO_FAULTS, Faults, faulty_line
from pyro_server import Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyro_protocol import Configuration

__all__ = ["in_process", "running"]

# How long the end of a daemon may take, on a slow machine.
_PATIENCE: Final = 40.0


@contextlib.contextmanager
def running(daemon: Daemon) -> Iterator[Daemon]:
    """Run a daemon in a thread, and shut it down at the end.

    Args:
        daemon: a daemon whose loop does not run.

    Raises:
        RuntimeError: it does not end; perhaps one of its methods does not return.
    """
    thread = threading.Thread(target=daemon.requestLoop, name="pyro-test-daemon")
    thread.start()
    try:
        yield daemon
    finally:
        daemon.shutdown()
        thread.join(_PATIENCE)
        if thread.is_alive():
            raise RuntimeError(f"the loop of {daemon!r} does not end")


@contextlib.contextmanager
def in_process(
    target: object,
    *,
    faults: Faults = NO_FAULTS,
    timeout: float | None = 30.0,
    config: Configuration = config,
) -> Iterator[Proxy]:
    """Serve an object in this process, and give a proxy for it.

    All of client and server takes part, in threads as usual. They are joined by a Unix
    socket that nobody else can use, or where there is none by one of this machine.

    Args:
        target: the object, or a class whose instances the daemon makes.
        faults: what goes wrong between the two.
        timeout: how many seconds a call may take, so that no test hangs; None for any.
        config: the settings of both.

    Raises:
        RuntimeError: the daemon does not end.
    """
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(_daemon(stack, config))
        uri = daemon.register(target)
        stack.enter_context(running(daemon))
        if faults != NO_FAULTS:
            line = stack.enter_context(faulty_line(uri, faults))
            uri = URI(line.through(uri))
        proxy = stack.enter_context(Proxy(uri, config=config))
        proxy._pyroTimeout = timeout
        yield proxy


def _daemon(stack: contextlib.ExitStack, config: Configuration) -> Daemon:
    if not hasattr(socket, "AF_UNIX"):
        return Daemon(host="127.0.0.1", config=config)
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pyro-"))
    return Daemon(unixsocket=str(Path(folder, "socket")), config=config)
