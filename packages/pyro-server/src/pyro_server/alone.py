"""Serving objects in this very process, as ``pyro-serve`` does without workers."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any

from .daemon import Daemon
from .listening import Listener
from .readiness import Readiness
from .steering import Steering
from .systemd import Notifier

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from pyro_protocol import URI
    from pyro_protocol.config import Configuration

    from .options import ServeOptions

__all__ = ["make_daemon", "register_objects", "serve_alone"]


def make_daemon(
    options: ServeOptions, settings: Configuration, sock: socket.socket
) -> Daemon:
    """Return a daemon that serves a listening socket as the options say.

    It closes the socket at its end.

    Raises:
        ValueError: options or settings that do not go together, or a file of tokens
            that is not one.
        OSError: a certificate, or the file of tokens, cannot be read.
    """
    try:
        return Daemon(
            options.host,
            nathost=options.nathost,
            natport=options.natport,
            listener=sock,
            config=settings,
            authenticate=options.authenticate(),
        )
    except ssl.SSLError as error:
        raise ValueError(
            f"the certificate {settings.SSL_SERVERCERT}, its key, the password of the "
            f"key, or the authorities {settings.SSL_CACERTS or '(none)'} are not "
            f"right: {error}"
        ) from error


def register_objects(daemon: Daemon, objects: Mapping[str, Any]) -> dict[str, URI]:
    """Register objects, each with its name as its id, and return their URIs.

    Raises:
        DaemonError: an id, or an object, is registered already.
    """
    return {name: daemon.register(one, name) for name, one in objects.items()}


def serve_alone(options: ServeOptions) -> None:
    """Serve the objects until a signal ends it.

    Raises:
        KeyboardInterrupt: the signal came before it was ready.
        TargetError: an object cannot be published.
        PyroError: the address or a name cannot be used, or there is no name server.
        OSError: a certificate, or what tells that it is ready, cannot be used.
        ValueError: settings that do not go together.
    """
    notifier = Notifier()
    readiness = Readiness(options, notifier)
    settings = options.settings()
    if notifier.interval is not None:
        # The loop gives the signs of life, so it has to turn often enough.
        settings.POLLTIMEOUT = min(settings.POLLTIMEOUT or 1.0, notifier.interval / 2)
    listeners: list[Listener] = []

    def last_will() -> None:
        readiness.remove_file()
        for listener in listeners:
            listener.remove_file()

    with Steering(options.drain, last_will) as steering:
        objects = options.load_objects()
        readiness.prepare()
        with Listener(options, settings) as listener:
            listeners.append(listener)
            with make_daemon(listener.options, settings, listener.sock) as daemon:
                uris = register_objects(daemon, objects)
                if options.use_name_server:
                    # Not in the name server of the daemon's own settings: the
                    # options for TLS are for those who call it.
                    keeper = daemon._keeper_of_names(options.keeper)  # noqa: SLF001
                    keeper.announce(*options.announcements(uris)).result()
                try:
                    # From here on calls are finished before it ends: whoever hears
                    # that it is ready may ask for both at once.
                    steering.steer(daemon, readiness.withdraw)
                    readiness.announce(uris)
                    daemon.requestLoop(_SignsOfLife(notifier))
                finally:
                    readiness.withdraw()


class _SignsOfLife:
    """The condition of a request loop that tells a service manager that it turns."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._next = 0.0

    def __call__(self) -> bool:
        interval = self._notifier.interval
        if interval is not None and time.monotonic() >= self._next:
            self._next = time.monotonic() + interval
            self._notifier.alive()
        return True
