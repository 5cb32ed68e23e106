"""Reaching an object: the steps from its URI to an answer of its daemon."""

from __future__ import annotations

import difflib
import itertools
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pyro_protocol import URI
from pyro_protocol.transport.tls import client_tls_context

from .conversation import Conversation
from .daemons import DAEMON_NAME, ask_daemon, is_elsewhere, published_location
from .encryption import describe, encrypt, speaks_tls
from .network import connect_address, connect_tcp, connect_unix
from .report import Finding, Recorder, Report
from .resolving import addresses_text, find_addresses, is_loopback

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from pyro_protocol import Configuration
    from pyro_protocol.session import ConnectAccepted

__all__ = ["Reacher", "alike"]

_USUAL_GREETING: Final = "hello"
# A web server answers to it; it changes nothing there.
_WEB_REQUEST: Final = b"HEAD / HTTP/1.0\r\n\r\n"
_MOST_ALIKE: Final = 3
# To compare takes time, and what there is to compare with comes from the other side.
_MOST_COMPARED: Final = 10_000
_LONGEST_COMPARED: Final = 200


class Reacher:
    """Reaches one object after the other.

    Args:
        config: the settings.
        timeout: how many seconds a step may take.
        handshake: the handshake value for the object's daemon.

    Attributes:
        timeout: how many seconds a step may take.
    """

    def __init__(
        self, config: Configuration, timeout: float, handshake: object = _USUAL_GREETING
    ) -> None:
        self._config = config
        self.timeout: float = timeout
        self._handshake = handshake

    @contextmanager
    def reach(
        self, uri: URI, recorder: Recorder, *, handshake: object = _USUAL_GREETING
    ) -> Iterator[tuple[Conversation, ConnectAccepted]]:
        """Connect to an object, as a client does.

        Raises:
            Finding: that is not possible.
        """
        sock, again = self._connect(uri, recorder)
        with Conversation(sock, self._config, self.timeout) as conversation:
            with recorder.step("protocol") as note:
                try:
                    note.detail = conversation.greet(uri.object_id, handshake)
                except Finding as finding:
                    # A server may take one client at a time.
                    conversation.close()
                    raise self._looked_into(finding, again) from finding
            unknown: Finding | None = None
            accepted: Any = None
            with recorder.step("handshake") as note:
                try:
                    accepted = conversation.admitted()
                except Finding as finding:
                    if finding.cause != "unknown-object":
                        raise
                    unknown = finding
                note.detail = _server_kind(conversation, known=unknown is None)
            with recorder.step("object") as note:
                if unknown is not None:
                    hint = self._known_ids(uri, handshake)
                    raise Finding(unknown.cause, unknown.detail + hint)
                note.detail = _offer(accepted)
            yield conversation, accepted

    def _connect(
        self, uri: URI, recorder: Recorder
    ) -> tuple[socket.socket, Callable[[], socket.socket]]:
        """Return a connected socket, and what makes another to the same place."""
        config, timeout = self._config, self.timeout
        if uri.sockname is not None:
            path = uri.sockname
            with recorder.step("unix socket") as note:
                sock = connect_unix(path, timeout)
                note.detail = f"connected to {path}"
            again: Callable[[], socket.socket] = partial(connect_unix, path, timeout)
        else:
            host, port = uri.host or "", uri.port or 0
            with recorder.step("dns") as note:
                addresses = find_addresses(host, port, config, timeout)
                note.detail = addresses_text(host, addresses)
                own = [is_loopback(str(one.target[0])) for one in addresses]
                if all(own) and not is_loopback(host):
                    note.cause = "name-is-loopback"
            address, sock = connect_tcp(host, addresses, config, timeout, recorder)
            again = partial(connect_address, address, timeout)
        context = client_tls_context(config)
        if context is not None:
            with recorder.step("tls") as note:
                encrypted = encrypt(sock, context, uri.host or "localhost", timeout)
                note.detail = describe(encrypted)
                sock = encrypted
        return sock, again

    def _looked_into(
        self, finding: Finding, again: Callable[[], socket.socket]
    ) -> Finding:
        """Return what is behind silence, if asking in another way tells."""
        if finding.cause not in ("closed", "silent"):
            return finding
        if self._config.SSL:
            return self._after_tls(finding)
        if speaks_tls(again, self.timeout):
            return Finding("tls-expected", f"{finding.detail}; it speaks TLS")
        if finding.cause == "silent":
            answer = self._asked_for_page(again)
            if answer.startswith(b"HTTP/"):
                return Finding("not-pyro", f"a web server answered: {answer[:60]!r}")
        return finding

    def _after_tls(self, finding: Finding) -> Finding:
        """Return what is behind a connection that ended right after TLS began.

        With TLS 1.3 a server looks at the client's certificate then, and not every
        one says what it thinks of it.
        """
        if finding.cause != "closed":
            return finding
        what = "refused" if self._config.SSL_CLIENTCERT else "required"
        return Finding(f"client-certificate-{what}", finding.detail, "tls")

    def _asked_for_page(self, again: Callable[[], socket.socket]) -> bytes:
        try:
            with again() as sock:
                sock.settimeout(self.timeout)
                sock.sendall(_WEB_REQUEST)
                return sock.recv(1024)
        except (OSError, Finding):
            return b""

    def _known_ids(self, uri: URI, handshake: object) -> str:
        """Return the ids that resemble an unknown one, as the end of a sentence."""
        if uri.object_id == DAEMON_NAME:
            return ""
        daemon = URI(f"PYRO:{DAEMON_NAME}@{uri.location}")
        try:
            with self.reach(daemon, Recorder(Report("")), handshake=handshake) as (
                conversation,
                _accepted,
            ):
                ids = conversation.call(DAEMON_NAME, "registered")
        except Exception:  # noqa: BLE001 - it was a try
            return ""
        return alike(uri.object_id, [str(one) for one in ids])

    def examine(self, uri: URI, recorder: Recorder) -> None:
        """Take all steps from a URI to an answer of its daemon.

        Raises:
            Finding: one of them failed.
        """
        with self.reach(uri, recorder, handshake=self._handshake) as (
            conversation,
            accepted,
        ):
            summary = recorder.report.summary
            summary["uri"] = str(uri)
            summary["capabilities"] = conversation.capabilities
            summary["methods"] = len(accepted.methods)
            summary["attributes"] = len(accepted.attributes)
            with recorder.step("ping") as note:
                shortest, median = conversation.ping()
                summary["ping_milliseconds"] = round(median, 3)
                note.detail = f"round trip {shortest:.2f} ms, median {median:.2f} ms"
            with recorder.step("daemon") as note:
                summary["serializer"] = conversation.serializer.name
                try:
                    info = ask_daemon(conversation)
                except Finding as finding:
                    if finding.cause != "call-failed":
                        raise
                    # The object may well be there for those who may not ask the daemon.
                    note.cause, note.detail = finding.cause, finding.detail
                    return
                summary["daemon"] = info
                note.detail = f"called with {conversation.serializer.name}: {info}"
                published = published_location(info)
                if published and is_elsewhere(published, uri, self.timeout):
                    note.cause = "published-elsewhere"


def _server_kind(conversation: Conversation, *, known: bool) -> str:
    if not known:
        return "the daemon answers"
    names = conversation.capabilities
    if not names:
        return "admitted by a Pyro5 server, or one that offers no more than Pyro5"
    return f"admitted, with {', '.join(names)}"


def _offer(accepted: ConnectAccepted) -> str:
    methods, attributes = len(accepted.methods), len(accepted.attributes)
    if not methods + attributes:
        raise Finding("exposes-nothing", "no method and no attribute is exposed")
    return f"methods: {methods}, attributes: {attributes}"


def alike(text: str, known: list[str]) -> str:
    """Return the names that resemble one, as the end of a sentence."""
    some_known = itertools.islice(known, _MOST_COMPARED)
    lower = {one.lower(): one for one in some_known if len(one) <= _LONGEST_COMPARED}
    close = difflib.get_close_matches(text.lower(), lower, _MOST_ALIKE)
    if close:
        return f"; did you mean {' or '.join(repr(lower[one]) for one in close)}?"
    if known:
        some = ", ".join(map(repr, sorted(known)[:_MOST_ALIKE]))
        return f"; there are {len(known)}, such as {some}"
    return ""
