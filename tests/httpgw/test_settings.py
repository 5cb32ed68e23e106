"""The attributes of an application."""

from __future__ import annotations

import hashlib
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from pyro_httpgw import asgi_app, pyro_app
from pyro_httpgw.settings import ConfigurableApplication
from pyro_protocol import Configuration
from pyro_protocol.authentication import TokenAuthentication, hash_token

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a token of sixteen"


@pytest.fixture
def application() -> ConfigurableApplication:
    return ConfigurableApplication(Configuration(use_environment=False))


@pytest.mark.parametrize("application", [pyro_app, asgi_app])
def test_an_application_exposes_little_and_asks_for_no_key(
    application: ConfigurableApplication,
) -> None:
    assert application.ns_regex == r"http\."
    assert application.cors == ""
    assert application.gateway_key is None
    assert application.tokens is None
    assert application.comm_timeout == application.config.COMMTIMEOUT
    assert application.tracebacks == "authenticated"
    assert application.trusted_proxies == ()
    assert application.max_body == 10 * 1024 * 1024
    assert application.max_in_flight == 1000
    assert application.rate_limit == 0.0
    assert application.allowed_hosts == frozenset()
    assert application.bound_address is None
    assert not application.metrics
    assert application.explorer
    assert not application.draining
    assert not application.settings.authenticates


def test_what_is_assigned_is_in_the_settings_of_the_next_request(
    application: ConfigurableApplication,
) -> None:
    before = application.settings
    application.ns_regex = r"house\."
    application.cors = "https://a.example, https://b.example"
    application.gateway_key = b"secret"
    application.comm_timeout = 2.5
    application.rate_limit = 3
    application.max_body = 4
    application.tracebacks = "never"
    settings = application.settings
    assert settings.exposed.pattern == application.ns_regex == r"house\."
    assert settings.cors == ("https://a.example", "https://b.example")
    assert application.cors == "https://a.example, https://b.example"
    assert settings.gateway_key == application.gateway_key == b"secret"
    assert settings.authenticates
    assert settings.comm_timeout == 2.5
    assert (settings.rate_limit, settings.max_body) == (3.0, 4)
    assert settings.tracebacks == "never"
    assert before.gateway_key is None


def test_as_long_as_nothing_is_assigned_the_settings_are_the_same_object(
    application: ConfigurableApplication,
) -> None:
    settings = application.settings
    assert application.settings is settings
    application.explorer = False
    assert application.settings is not settings
    assert application.settings is application.settings


def test_a_key_may_be_text_and_an_empty_one_is_none(
    application: ConfigurableApplication,
) -> None:
    application.gateway_key = "é"
    assert application.gateway_key == b"\xc3\xa9"
    digest = hashlib.sha256(b"\xc3\xa9").digest()
    assert application.settings.key_digest == digest
    application.gateway_key = ""
    assert application.gateway_key is None
    assert application.settings.key_digest is None


def test_keys_are_not_shown(application: ConfigurableApplication) -> None:
    application.gateway_key = "secret"
    application.tokens = {"alice": TOKEN}
    assert "secret" not in repr(application.settings)
    assert TOKEN not in repr(application.settings)


def owner(application: ConfigurableApplication, token: str) -> str | None:
    assert application.tokens is not None
    identity = application.tokens.identity_of(token)
    return None if identity is None else identity.name


def test_tokens_are_told_by_the_names_of_who_has_them(
    application: ConfigurableApplication,
) -> None:
    application.tokens = {"alice": TOKEN, "bob": b"another " + TOKEN.encode()}
    assert owner(application, TOKEN) == "alice"
    assert owner(application, f"another {TOKEN}") == "bob"
    assert owner(application, "neither of these two") is None
    assert application.settings.authenticates
    application.tokens = {}
    assert application.tokens is None


def test_tokens_can_come_from_a_file_that_holds_their_hashes(
    application: ConfigurableApplication, tmp_path: Path
) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# our friends\n{hash_token(TOKEN)} alice\n")
    application.tokens = TokenAuthentication.from_file(path)
    assert owner(application, TOKEN) == "alice"


def test_the_timeout_follows_the_configuration_until_it_is_assigned(
    application: ConfigurableApplication,
) -> None:
    application.config.COMMTIMEOUT = 4.0
    assert application.comm_timeout == application.settings.comm_timeout == 4.0
    application.comm_timeout = 1.0
    assert application.settings.comm_timeout == 1.0
    assert application.config.COMMTIMEOUT == 4.0
    application.comm_timeout = None
    assert application.comm_timeout == application.settings.comm_timeout == 4.0


def test_hosts_and_networks_may_be_texts_or_lists(
    application: ConfigurableApplication,
) -> None:
    application.allowed_hosts = "GW.example, *.lab.example"
    assert application.allowed_hosts == {"gw.example", "*.lab.example"}
    application.allowed_hosts = ["gw.example"]
    assert application.settings.known_hosts == {"gw.example"}
    application.bound_address = "127.0.0.1"
    assert "localhost" in application.settings.known_hosts
    application.trusted_proxies = "127.0.0.1, 10.0.0.0/8"
    expected = ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8")
    assert application.trusted_proxies == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ns_regex", "[", "invalid expression '\\['"),
        ("ns_regex", None, "invalid expression None"),
        ("cors", "a.example", "cors: 'a.example' is no origin"),
        ("gateway_key", 1, "gateway_key must be text, bytes or None"),
        ("tokens", {"alice": "short"}, "tokens: a token must have at least 16"),
        ("tokens", {"a": TOKEN, "b": TOKEN}, "tokens: 'a' and 'b' have the same"),
        ("tokens", {"a": 1}, "tokens: names and tokens must be text"),
        ("tokens", [TOKEN], "tokens must be a mapping from names to tokens"),
        ("comm_timeout", -1.0, "comm_timeout must be a finite number from 0 on"),
        ("comm_timeout", "1", "comm_timeout must be a number, not '1'"),
        ("rate_limit", float("inf"), "rate_limit must be a finite number"),
        ("rate_limit", float("nan"), "rate_limit must be a finite number"),
        ("rate_limit", True, "rate_limit must be a number"),
        ("max_body", -1, "max_body must be a whole number from 0 on, not -1"),
        ("max_body", 1.5, "max_body must be a whole number"),
        ("max_in_flight", True, "max_in_flight must be a whole number"),
        ("tracebacks", "some", "tracebacks must be one of 'authenticated', 'always'"),
        ("allowed_hosts", "gw:80", "allowed_hosts: 'gw:80' is no host"),
        ("bound_address", 80, "bound_address must be a name or an address, not 80"),
        ("trusted_proxies", "here", "trusted_proxies: 'here' is no network"),
        ("metrics", 1, "metrics must be True or False, not 1"),
        ("explorer", "no", "explorer must be True or False, not 'no'"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_assigned(
    application: ConfigurableApplication, name: str, value: Any, said: str
) -> None:
    before = application.settings
    with pytest.raises(ValueError, match=said) as caught:
        setattr(application, name, value)
    assert TOKEN not in str(caught.value)
    assert application.settings == before


def test_metrics_without_their_library_say_what_to_install(
    application: ConfigurableApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyro_httpgw.setting_checks.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'pyro-httpgw\[prometheus\]'"):
        application.metrics = True
    application.metrics = False
