"""The attributes of an application."""

from __future__ import annotations

import pytest

from pyro_httpgw import asgi_app, pyro_app
from pyro_httpgw.settings import ConfigurableApplication
from pyro_protocol import Configuration


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
    assert application.comm_timeout == application.config.COMMTIMEOUT


def test_what_is_assigned_is_in_the_settings_of_the_next_request(
    application: ConfigurableApplication,
) -> None:
    before = application.settings
    application.ns_regex = r"house\."
    application.cors = "https://a.example, https://b.example"
    application.gateway_key = b"secret"
    application.comm_timeout = 2.5
    settings = application.settings
    assert settings.exposed.pattern == application.ns_regex == r"house\."
    assert settings.cors == ("https://a.example", "https://b.example")
    assert application.cors == "https://a.example, https://b.example"
    assert settings.gateway_key == application.gateway_key == b"secret"
    assert settings.comm_timeout == 2.5
    assert before.gateway_key is None


def test_a_key_may_be_text_and_an_empty_one_is_none(
    application: ConfigurableApplication,
) -> None:
    application.gateway_key = "é"
    assert application.gateway_key == b"\xc3\xa9"
    application.gateway_key = ""
    assert application.gateway_key is None


def test_the_timeout_follows_the_configuration_until_it_is_assigned(
    application: ConfigurableApplication,
) -> None:
    application.config.COMMTIMEOUT = 4.0
    assert application.comm_timeout == 4.0
    application.comm_timeout = 1.0
    assert application.settings.comm_timeout == 1.0
    assert application.config.COMMTIMEOUT == 4.0
    application.comm_timeout = None
    assert application.comm_timeout == 4.0


def test_a_malformed_expression_is_refused_when_it_is_assigned(
    application: ConfigurableApplication,
) -> None:
    with pytest.raises(ValueError, match="invalid expression '\\['"):
        application.ns_regex = "["
    assert application.ns_regex == r"http\."
