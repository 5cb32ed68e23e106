from __future__ import annotations

import logging
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pyro_naming.reachability import report_reachability
from pyro_protocol import Configuration

if TYPE_CHECKING:
    from pathlib import Path


def told(
    caplog: pytest.LogCaptureFixture, host: str, *, guarded: bool, **settings: bool
) -> str:
    """Return what is said about a socket at an address."""
    config = Configuration(use_environment=False)
    for item, value in settings.items():
        setattr(config, item, value)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        port = sock.getsockname()[1]
        with caplog.at_level(logging.WARNING, "pyro.naming"):
            report_reachability(sock, config, guarded=guarded)
    return caplog.text.replace(str(port), "PORT")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_nothing_is_said_where_only_this_machine_can_connect(
    caplog: pytest.LogCaptureFixture, host: str
) -> None:
    assert told(caplog, host, guarded=False) == ""


def test_nothing_is_said_of_a_unix_socket(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(tmp_path / "socket"))
        report_reachability(sock, Configuration(use_environment=False), guarded=False)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("host", "shown"), [("0.0.0.0", "0.0.0.0:PORT"), ("::", "[::]:PORT")]
)
def test_the_warning_names_the_address_and_what_to_do(
    caplog: pytest.LogCaptureFixture, host: str, shown: str
) -> None:
    text = told(caplog, host, guarded=False)
    assert f"the name server at {shown} can be reached by other machines" in text
    assert "neither TLS nor access rules" in text
    assert "NS_ACCESS" in text


def test_rules_without_tls_do_not_protect_tokens(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = told(caplog, "0.0.0.0", guarded=True)
    assert "can read the tokens" in text


def test_tls_alone_lets_everybody_in(caplog: pytest.LogCaptureFixture) -> None:
    text = told(caplog, "0.0.0.0", guarded=False, SSL=True)
    assert "serves every client" in text


@pytest.mark.parametrize(
    ("guarded", "demanded"), [(True, False), (False, True), (True, True)]
)
def test_tls_with_rules_or_certificates_needs_no_warning(
    caplog: pytest.LogCaptureFixture, *, guarded: bool, demanded: bool
) -> None:
    text = told(
        caplog, "0.0.0.0", guarded=guarded, SSL=True, SSL_REQUIRECLIENTCERT=demanded
    )
    assert text == ""
