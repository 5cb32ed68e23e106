"""What ``pyro-serve`` was told to do: `ServeOptions`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pyro_protocol import config

from .announcements import Announcement
from .authentication import TokenAuthentication
from .publication import NameKeeper
from .targets import Target, load_target, prepare_target
from .upkeep import Advice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyro_protocol import URI
    from pyro_protocol.config import Configuration
    from pyro_protocol.contract import InstanceMode

    from .authentication import Authenticator

__all__ = ["DRAIN_SECONDS", "ServeOptions"]

DRAIN_SECONDS: Final = 10.0
"""How long running calls may take when it ends: long enough for most, and well
below the time after which service managers kill a process (systemd: 90 s)."""

_ADVICE: Final = Advice("or use --no-ns", "choose another --name, or --replace it")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """The command line, checked, in a form that can be handed to other processes.

    No secret is in it: keys and passwords are read by the process that needs them.

    Attributes:
        objects: what is served, ``module:attribute`` by name.
        host: where to listen, and what URIs say; None means ``config.HOST``.
        port: the TCP port; 0 lets the system choose.
        unix: the path of a Unix socket to listen on instead.
        nathost: the host that URIs name instead.
        natport: the port that URIs name instead.
        use_name_server: whether the names are registered.
        metadata: the tags of the names.
        replace: whether names of others are taken over at the start.
        ttl: seconds after which names are forgotten that are not renewed, 0 meaning
            never; None means ``config.NS_TTL``.
        owner: in whose name they are registered; None means ``config.NS_OWNER``.
        names_check: most seconds between two looks at the registrations; None leaves
            that to the keeper.
        instance_mode: how instances of classes are made.
        servertype: how calls are run; None means ``config.SERVERTYPE``.
        workers: how many processes serve; None means this one, unsupervised.
        reload: whether changed source files start the workers anew.
        drain: how many seconds running calls may take at the end.
        log_level: the least level that is logged, or None.
        tls_cert: certificate file; with it connections use TLS.
        tls_key: its key, if that is in another file.
        tls_ca: file or folder with authorities of client certificates.
        tls_require_client_cert: whether clients need a certificate.
        tls_key_password_env: the environment variable with the key's password.
        tls_key_password_file: the file with the key's password.
        token_file: file with the tokens of the clients that are admitted.
        ready_fd: descriptor to write to when ready.
        ready_file: file that exists while it serves.
    """

    objects: dict[str, str]
    host: str | None = None
    port: int = 0
    unix: str | None = None
    nathost: str | None = None
    natport: int | None = None
    use_name_server: bool = True
    metadata: list[str] | None = None
    replace: bool = False
    ttl: float | None = None
    owner: str | None = None
    names_check: float | None = None
    instance_mode: InstanceMode | None = None
    servertype: str | None = None
    workers: int | None = None
    reload: bool = False
    drain: float = DRAIN_SECONDS
    log_level: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_ca: str | None = None
    tls_require_client_cert: bool = False
    tls_key_password_env: str | None = None
    tls_key_password_file: str | None = None
    token_file: str | None = None
    ready_fd: int | None = None
    ready_file: str | None = None

    @property
    def supervised(self) -> bool:
        """Whether the objects live in processes that this one watches."""
        return self.workers is not None or self.reload

    def to_json(self) -> str:
        """Return those that are not the default as text, for a command line."""
        found = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }
        return json.dumps(found, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the options that `to_json` has written."""
        return cls(**json.loads(text))

    def load_objects(self) -> dict[str, Any]:
        """Import the objects, check that they can be published, and return them.

        Raises:
            TargetError: one cannot be imported, or exposes nothing.
        """
        found: dict[str, Any] = {}
        for name, text in self.objects.items():
            target = Target.parse(text)
            found[name] = load_target(target)
            prepare_target(target, found[name], self.instance_mode)
        return found

    def settings(self) -> Configuration:
        """Return the settings of the daemon: the global ones, with the options.

        Raises:
            OSError: a certificate, its key or the password of that cannot be read.
            ValueError: the environment variable with the password is not set.
        """
        settings = config.copy()
        if self.servertype:
            settings.SERVERTYPE = self.servertype
        if self.tls_cert:
            self._check_tls_files()
            settings.SSL = True
            settings.SSL_SERVERCERT = self.tls_cert
            settings.SSL_SERVERKEY = self.tls_key or ""
            settings.SSL_SERVERKEYPASSWD = self._key_password()
            settings.SSL_CACERTS = self.tls_ca or settings.SSL_CACERTS
            settings.SSL_REQUIRECLIENTCERT = (
                self.tls_require_client_cert or settings.SSL_REQUIRECLIENTCERT
            )
        return settings

    def _check_tls_files(self) -> None:
        # The errors of the ssl module do not say which file they are about.
        for option, path in (
            ("--tls-cert", self.tls_cert),
            ("--tls-key", self.tls_key),
        ):
            if path:
                with _reading(option):
                    Path(path).open("rb").close()
        if self.tls_ca:
            with _reading("--tls-ca"):
                Path(self.tls_ca).stat()

    def authenticate(self) -> Authenticator | None:
        """Return what finds out who a client is, or None if that is not asked.

        Raises:
            OSError: the file of tokens cannot be read.
            ValueError: a line of it has another form.
        """
        if self.token_file is None:
            return None
        with _reading("--token-file"):
            return TokenAuthentication.from_file(self.token_file)

    def keeper(self) -> NameKeeper:
        """Return what keeps the names, in the name server of the global settings."""
        return NameKeeper(config, check_seconds=self.names_check, advice=_ADVICE)

    def announcements(self, uris: Mapping[str, URI]) -> list[Announcement]:
        """Return what the keeper is to announce.

        Args:
            uris: where the objects are, by name.
        """
        return [
            Announcement.of(
                name,
                uri,
                config,
                metadata=self.metadata,
                ttl=self.ttl,
                owner=self.owner,
                safe=not self.replace,
                force=self.replace,
            )
            for name, uri in uris.items()
        ]

    def _key_password(self) -> str:
        if self.tls_key_password_file:
            return Path(self.tls_key_password_file).read_text().rstrip("\r\n")
        name = self.tls_key_password_env
        if not name:
            return ""
        try:
            return os.environ[name]
        except KeyError:
            raise ValueError(
                f"the environment variable {name}, which is to hold the password of "
                "the TLS key, is not set"
            ) from None


@contextlib.contextmanager
def _reading(option: str) -> Iterator[None]:
    """Let the error of a file that cannot be read name the option.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise type(error)(
            error.errno, f"{option}: {error.strerror}", error.filename
        ) from error
