"""What the command was told to do: `ServeOptions`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..settings import ConfigurableApplication

__all__ = ["GRACE_SECONDS", "ServeOptions", "ServerChoice"]

ServerChoice = Literal["auto", "uvicorn", "threads"]

GRACE_SECONDS: Final = 5
"""How long requests in progress may take when the process is asked to end: long enough
for most, and well below the time after which service managers kill (systemd: 90 s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The command line, checked, in a form that can be handed to other processes.

    Attributes:
        host: where to listen.
        port: the TCP port; 0 lets the system choose.
        unix: the path of a Unix socket to listen on instead.
        tls_cert: certificate file; with it connections use TLS.
        tls_key: its key, if that is in another file.
        workers: how many processes serve; 1 means this one.
        server: the web server; ``auto`` takes uvicorn where it is installed.
        access_log: whether each request is noted on the standard error output.
        settings: the attributes of the application that differ from the defaults. They
            may hold keys, and are not shown.
    """

    host: str = "localhost"
    port: int = 8080
    unix: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    workers: int = 1
    server: ServerChoice = "auto"
    access_log: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def apply(self, application: ConfigurableApplication) -> None:
        """Give an application its settings.

        Raises:
            ValueError: one of them cannot be.
        """
        if self.unix is None:
            application.bound_address = self.host
        for name, value in self.settings.items():
            setattr(application, name, value)
