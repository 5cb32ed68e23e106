from __future__ import annotations

import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pyro_protocol.config import Configuration
from pyro_server import Daemon
from pyro_server.reachability import report_reachability

if TYPE_CHECKING:
    from pathlib import Path


class Listening(NamedTuple):
    """What is asked of a listening socket, which need not exist."""

    family: socket.AddressFamily
    address: Any

    def getsockname(self) -> Any:
        return self.address


V4, V6 = socket.AF_INET, socket.AF_INET6


def report(
    sock: Any, tls: ssl.SSLContext | None = None, *, authenticated: bool = False
) -> None:
    report_reachability(sock, "lab:9090", tls=tls, authenticated=authenticated)


def encrypted(mode: ssl.VerifyMode = ssl.CERT_NONE) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = mode
    return context


@pytest.mark.parametrize(
    "sock",
    [
        Listening(V4, ("0.0.0.0", 9090)),
        Listening(V4, ("192.168.1.5", 9090)),
        Listening(V6, ("::", 9090, 0, 0)),
        Listening(V6, ("fe80::1%2", 9090, 0, 2)),
    ],
)
def test_a_daemon_that_others_can_reach_without_tls_is_warned_of(
    sock: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    report(sock)

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    for part in [
        "lab:9090",
        sock.address[0],
        "call its objects, and read and change what is sent",
        "ssl_context=",
        "authenticate=",
        "localhost",
    ]:
        assert part in record.message


def test_authentication_alone_does_not_protect_what_is_sent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    report(Listening(V4, ("0.0.0.0", 9090)), authenticated=True)

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "call its objects" not in record.message
    assert "read and change what is sent" in record.message


@pytest.mark.parametrize(
    "sock",
    [
        Listening(V4, ("127.0.0.1", 9090)),
        Listening(V4, ("127.9.9.9", 9090)),
        Listening(V6, ("::1", 9090, 0, 0)),
        Listening(socket.AF_UNIX, "/run/lab.sock"),
    ],
)
def test_what_only_this_machine_can_reach_needs_no_warning(
    sock: Listening, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "pyro"):
        report(sock)

    assert caplog.records == []


def test_tls_without_any_authentication_is_worth_a_note(
    caplog: pytest.LogCaptureFixture,
) -> None:
    anywhere = Listening(V4, ("0.0.0.0", 9090))
    with caplog.at_level(logging.DEBUG, "pyro"):
        report(anywhere, encrypted())
        (record,) = caplog.records
        assert record.levelno == logging.INFO
        assert "serves every client" in record.message

        report(anywhere, encrypted(), authenticated=True)
        report(anywhere, encrypted(ssl.CERT_REQUIRED))
    assert caplog.records == [record]


def warnings_of(
    caplog: pytest.LogCaptureFixture, *args: Any, **options: Any
) -> list[str]:
    settings = Configuration(use_environment=False)
    with Daemon(*args, config=settings, **options):
        return [one.message for one in caplog.records if one.levelno >= logging.WARNING]


def test_daemons_on_this_machine_are_silent(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    left, right = socket.socketpair()
    with left, right:
        assert warnings_of(caplog) == []
        assert warnings_of(caplog, unixsocket=str(tmp_path / "s")) == []
        assert warnings_of(caplog, connected_socket=left) == []


def test_a_daemon_warns_once_about_a_wildcard_address(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon listens on loopback all the same, so that nobody is let in."""
    real = socket.socket.bind

    def bind(sock: socket.socket, address: Any) -> None:
        asked.append(address[0])
        real(sock, ("127.0.0.1", *address[1:]))

    def getsockname(sock: Any) -> Any:
        return (asked[0], *name(sock)[1:])

    asked: list[str] = []
    name = socket.socket.getsockname
    monkeypatch.setattr(socket.socket, "bind", bind)
    monkeypatch.setattr(socket.socket, "getsockname", getsockname)

    (warning,) = warnings_of(caplog, "0.0.0.0")
    assert "can be reached by other machines, and has no TLS" in warning
