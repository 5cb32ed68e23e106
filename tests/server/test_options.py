"""What the command line becomes, on its way to the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_protocol import URI, config
from pyro_server.arguments import parse_arguments
from pyro_server.options import ServeOptions

if TYPE_CHECKING:
    from pathlib import Path


def test_a_worker_gets_the_options_that_were_given() -> None:
    options = parse_arguments(
        [
            *("house:Lamp", "--name", "lamp", "house:pump", "--name", "pump"),
            *("--metadata", "warm", "--port", "9200", "--drain", "2.5"),
            *("--workers", "3", "--servertype", "multiplex"),
        ]
    )
    assert ServeOptions.from_json(options.to_json()) == options
    assert list(options.objects.items()) == [
        ("lamp", "house:Lamp"),
        ("pump", "house:pump"),
    ]
    assert (options.drain, options.workers, options.port) == (2.5, 3, 9200)


def test_only_what_is_not_the_default_is_on_its_command_line() -> None:
    options = ServeOptions(objects={"lamp": "house:Lamp"}, workers=2)
    assert options.to_json() == '{"objects":{"lamp":"house:Lamp"},"workers":2}'


def test_names_are_announced_as_the_options_say() -> None:
    uris = {"lamp": URI("PYRO:lamp@localhost:5")}
    options = parse_arguments(
        ["house:Lamp", "--name", "lamp", "--metadata", "warm", "--ttl", "5"]
    )
    (one,) = options.announcements(uris)
    assert (one.name, one.uri) == ("lamp", uris["lamp"])
    assert (one.metadata, one.ttl, one.owner) == (frozenset({"warm"}), 5, None)
    assert (one.safe, one.force) == (True, False)
    options = parse_arguments(
        ["house:Lamp", "--name", "lamp", "--owner", "house", "--replace"]
    )
    (one,) = options.announcements(uris)
    assert (one.metadata, one.ttl, one.owner) == (None, config.NS_TTL, "house")
    assert (one.safe, one.force) == (False, True)


def test_it_is_supervised_if_that_is_of_use() -> None:
    assert not parse_arguments(["a:A"]).supervised
    assert parse_arguments(["a:A", "--reload"]).supervised
    assert parse_arguments(["a:A", "--workers", "1"]).supervised


def test_settings_are_those_of_the_program_with_the_options(tmp_path: Path) -> None:
    for name in ("cert", "key", "ca"):
        (tmp_path / name).write_text("")
    (tmp_path / "password").write_text(" of two words \n")
    options = ServeOptions(
        objects={},
        servertype="asyncio",
        tls_cert=str(tmp_path / "cert"),
        tls_key=str(tmp_path / "key"),
        tls_ca=str(tmp_path / "ca"),
        tls_require_client_cert=True,
        tls_key_password_file=str(tmp_path / "password"),
    )
    settings = options.settings()
    assert settings.SERVERTYPE == "asyncio"
    assert settings.SSL
    assert str(tmp_path / "cert") == settings.SSL_SERVERCERT
    assert str(tmp_path / "ca") == settings.SSL_CACERTS
    assert settings.SSL_REQUIRECLIENTCERT
    assert settings.SSL_SERVERKEYPASSWD == " of two words "
    assert "two words" not in options.to_json()
    assert not ServeOptions(objects={}).settings().SSL


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    present = tmp_path / "present"
    present.write_text("")
    for option in ("tls_key", "tls_ca", "tls_key_password_file"):
        options = ServeOptions(objects={}, tls_cert=str(present), **{option: missing})  # type: ignore[arg-type] # texts, all of them
        with pytest.raises(OSError, match="missing"):
            options.settings()
