from __future__ import annotations

import os
import subprocess
import sys
import warnings

import pytest

from pyro_protocol import PROTOCOL_VERSION, Configuration, __version__, config


@pytest.fixture(autouse=True)
def _no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith("PYRO_"):
            monkeypatch.delenv(variable)


DOCUMENTED = {
    "HOST": "localhost",
    "NS_HOST": "localhost",
    "NS_PORT": 9090,
    "NS_BCPORT": 9091,
    "NS_BCHOST": None,
    "NS_AUTOCLEAN": 0.0,
    "NS_LOOKUP_DELAY": 0.0,
    "NATHOST": None,
    "NATPORT": 0,
    "COMPRESSION": False,
    "SERVERTYPE": "thread",
    "COMMTIMEOUT": 0.0,
    "POLLTIMEOUT": 2.0,
    "MAX_RETRIES": 0,
    "SOCK_REUSE": True,
    "DETAILED_TRACEBACK": False,
    "THREADPOOL_SIZE": 80,
    "THREADPOOL_SIZE_MIN": 4,
    "MAX_MESSAGE_SIZE": 1 << 30,
    "BROADCAST_ADDRS": ["<broadcast>", "0.0.0.0"],
    "PREFER_IP_VERSION": 0,
    "SERPENT_BYTES_REPR": False,
    "ITER_STREAMING": True,
    "ITER_STREAM_LIFETIME": 0.0,
    "ITER_STREAM_LINGER": 30.0,
    "LOGLEVEL": None,
    "LOGWIRE": False,
    "SSL": False,
    "SSL_SERVERCERT": "",
    "SSL_SERVERKEY": "",
    "SSL_SERVERKEYPASSWD": "",
    "SSL_REQUIRECLIENTCERT": False,
    "SSL_CLIENTCERT": "",
    "SSL_CLIENTKEY": "",
    "SSL_CLIENTKEYPASSWD": "",
    "SSL_CACERTS": "",
}


@pytest.mark.parametrize("item", DOCUMENTED)
def test_a_documented_item_has_its_documented_default(item: str) -> None:
    assert getattr(Configuration(), item) == DOCUMENTED[item]


def test_every_item_is_annotated_with_a_type() -> None:
    annotated = set(Configuration.__annotations__)

    assert annotated == set(Configuration().as_dict())


def test_marshal_is_not_accepted_unless_it_is_asked_for() -> None:
    assert "marshal" not in Configuration().SERIALIZERS_ACCEPTED


def test_an_item_that_does_not_exist_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        Configuration().COMPRESION = True  # type: ignore[attr-defined] # the point


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, True) for word in ("1", "on", "yes", "true", "TRUE", " On ")),
        *((word, False) for word in ("0", "off", "no", "false", "False")),
    ],
)
def test_a_switch_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, text: str, value: bool
) -> None:
    monkeypatch.setenv("PYRO_COMPRESSION", text)

    assert Configuration().COMPRESSION is value


@pytest.mark.parametrize(
    ("item", "text", "value"),
    [
        ("NS_PORT", "4444", 4444),
        ("COMMTIMEOUT", "2.5", 2.5),
        ("COMMTIMEOUT", "3", 3.0),
        ("HOST", "example.com", "example.com"),
        ("HOST", "", ""),
        ("NATHOST", "outside", "outside"),
        ("LOGLEVEL", "DEBUG", "DEBUG"),
        ("BROADCAST_ADDRS", "10.0.0.255, 10.0.1.255 ,", ["10.0.0.255", "10.0.1.255"]),
        ("SERIALIZERS_ACCEPTED", "serpent,marshal", ["serpent", "marshal"]),
    ],
)
def test_a_variable_is_converted_to_the_type_of_the_default(
    monkeypatch: pytest.MonkeyPatch, item: str, text: str, value: object
) -> None:
    monkeypatch.setenv(f"PYRO_{item}", text)

    found = getattr(Configuration(), item)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("COMPRESSION", "maybe"),
        ("COMPRESSION", ""),
        ("NS_PORT", "90x"),
        ("NS_PORT", "1.5"),
        ("NS_PORT", ""),
        ("COMMTIMEOUT", "soon"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, item: str, text: str
) -> None:
    monkeypatch.setenv(f"PYRO_{item}", text)

    with pytest.raises(ValueError, match=f"PYRO_{item}.*{text!r}"):
        Configuration()


def test_an_unknown_variable_is_ignored_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYRO_HMAC_KEY", "secret")

    with pytest.warns(
        RuntimeWarning, match="PYRO_HMAC_KEY is not a Pyro setting"
    ) as seen:
        Configuration()

    assert "secret" not in str(seen[0].message)
    assert seen[0].filename == __file__


def test_an_unknown_variable_does_not_keep_the_package_from_being_imported() -> None:
    result = subprocess.run(
        [
            sys.executable,
            "-c",
            "import pyro_protocol; print(pyro_protocol.config.HOST)",
        ],
        env=os.environ | {"PYRO_ONEWAY_THREADED": "1", "PYRO_HOST": "elsewhere"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout == "elsewhere\n"
    assert "PYRO_ONEWAY_THREADED" in result.stderr


def test_variables_of_other_programs_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYRO5_PYTHON", "x")
    monkeypatch.setenv("pyro_HOST", "y")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Configuration().HOST == "localhost"


def test_the_environment_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRO_NS_PORT", "4444")

    assert Configuration(use_environment=False).NS_PORT == 9090


def test_reset_returns_every_item_to_its_default() -> None:
    settings = Configuration()
    settings.NS_PORT = 1
    settings.BROADCAST_ADDRS.append("10.0.0.1")

    settings.reset()

    assert settings.as_dict() == Configuration().as_dict()


def test_reset_applies_the_environment_if_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Configuration()
    monkeypatch.setenv("PYRO_NS_PORT", "4444")

    settings.reset(use_environment=False)
    assert settings.NS_PORT == 9090
    settings.reset()
    assert settings.NS_PORT == 4444


def test_a_copy_is_independent() -> None:
    settings = Configuration()
    settings.NS_PORT = 1

    copy = settings.copy()
    copy.NS_PORT = 2
    copy.BROADCAST_ADDRS.append("10.0.0.1")

    assert settings.NS_PORT == 1
    assert "10.0.0.1" not in settings.BROADCAST_ADDRS
    assert "10.0.0.1" not in Configuration().BROADCAST_ADDRS


def test_the_dict_is_independent() -> None:
    settings = Configuration()

    settings.as_dict()["BROADCAST_ADDRS"].append("10.0.0.1")

    assert "10.0.0.1" not in settings.BROADCAST_ADDRS


def test_the_dump_shows_versions_and_every_item() -> None:
    lines = config.dump().splitlines()

    assert lines[0] == f"Pyro version: {__version__}"
    assert f"Protocol version: {PROTOCOL_VERSION}" in lines
    assert lines[-len(DOCUMENTED) :] == sorted(lines[-len(DOCUMENTED) :])
    for item in config.as_dict():
        assert f"{item} = {getattr(config, item)}" in lines
