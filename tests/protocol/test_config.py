from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import warnings
from typing import Any

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
    annotated = {
        name for name in Configuration.__annotations__ if not name.startswith("_")
    }

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
        ("COMMTIMEOUT", "-1"),
        ("COMMTIMEOUT", "nan"),
        ("NS_PORT", "70000"),
        ("SERIALIZER", "yaml"),
        ("SERVERTYPE", "fork"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch, item: str, text: str
) -> None:
    monkeypatch.setenv(f"PYRO_{item}", text)

    with pytest.raises(ValueError, match=f"PYRO_{item} is .*not '?{text}"):
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

    other = settings.copy()
    other.NS_PORT = 2
    other.BROADCAST_ADDRS.append("10.0.0.1")

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


def test_an_unknown_item_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(AttributeError, match=r"'COMPRESION'; did you mean COMPRESSION"):
        Configuration().COMPRESION = True  # type: ignore[attr-defined] # the point
    with pytest.raises(AttributeError, match=r"'serializer'; did you mean SERIALIZER"):
        Configuration(serializer="json")
    with pytest.raises(AttributeError, match="no configuration item 'FLAME_ENABLED'"):
        Configuration().FLAME_ENABLED  # type: ignore[attr-defined] # noqa: B018 - the point


WRONG_TYPES: list[tuple[str, Any, str]] = [
    ("COMPRESSION", 1, "True or False .*, not 1"),
    ("COMPRESSION", "on", "True or False .*, not 'on'"),
    ("NS_PORT", "9090", "an integer from 0 to 65535, not '9090'"),
    ("NS_PORT", 90.5, "an integer .*, not 90.5"),
    ("NS_PORT", True, "an integer .*, not True"),
    ("NS_PORT", None, "an integer .*, not None"),
    ("POLLTIMEOUT", "2", "a number of at least 0, not '2'"),
    ("HOST", None, "text, not None"),
    ("HOST", b"localhost", "text, not b'localhost'"),
    ("NATHOST", 5, "text or None, not 5"),
    ("BROADCAST_ADDRS", "10.0.0.255", "a list of texts .*, not '10.0.0.255'"),
    ("BROADCAST_ADDRS", [10], r"a list of texts .*, not \[10\]"),
    ("SERIALIZERS_ACCEPTED", "json", "a list of serpent, .*, not 'json'"),
    ("SERIALIZER", ["json"], r"one of auto, serpent, .*, not \['json'\]"),
]
WRONG_VALUES: list[tuple[str, Any, str]] = [
    ("COMMTIMEOUT", -0.5, "a number of at least 0, not -0.5"),
    ("COMMTIMEOUT", float("nan"), "a number of at least 0, not nan"),
    ("POLLTIMEOUT", float("inf"), "a number of at least 0, not inf"),
    ("HANDSHAKE_TIMEOUT", 0, "a number above 0, not 0"),
    ("MAX_MESSAGE_SIZE", 0, "an integer of at least 1, not 0"),
    ("MAX_RETRIES", -1, "an integer of at least 0, not -1"),
    ("NATPORT", 65536, "an integer from 0 to 65535, not 65536"),
    ("NS_BCPORT", -1, "an integer from 0 to 65535, not -1"),
    ("PREFER_IP_VERSION", 5, "one of 0, 4, 6, not 5"),
    ("SERIALIZER", "yaml", "one of auto, serpent, .*, not 'yaml'"),
    ("SERIALIZERS_ACCEPTED", ["auto"], r"a list of serpent, .*, not \['auto'\]"),
    ("SERVERTYPE", "fork", "one of thread, multiplex, asyncio, not 'fork'"),
    ("THREADPOOL_SIZE", 0, "an integer of at least 1, not 0"),
]


@pytest.mark.parametrize(
    ("item", "value", "told", "kind"),
    [
        *((*one, TypeError) for one in WRONG_TYPES),
        *((*one, ValueError) for one in WRONG_VALUES),
    ],
)
def test_a_value_that_an_item_cannot_have_is_refused_and_changes_nothing(
    item: str, value: object, told: str, kind: type[Exception]
) -> None:
    settings = Configuration(use_environment=False)

    with pytest.raises(kind, match=f"^configuration item {item} must be {told}"):
        setattr(settings, item, value)
    assert settings == Configuration(use_environment=False)


@pytest.mark.parametrize("item", Configuration.defaults())
def test_every_default_is_a_value_that_its_item_can_have(item: str) -> None:
    default = Configuration.defaults()[item]
    settings = Configuration(use_environment=False)

    setattr(settings, item, default)

    assert getattr(settings, item) == default


@pytest.mark.parametrize("item", Configuration.defaults())
def test_no_item_takes_an_object(item: str) -> None:
    with pytest.raises(TypeError, match=item):
        Configuration(use_environment=False, **{item: object()})


def test_numbers_without_a_fraction_are_durations_too() -> None:
    settings = Configuration(use_environment=False, COMMTIMEOUT=3)

    assert settings.COMMTIMEOUT == 3.0
    assert type(settings.COMMTIMEOUT) is float


def test_none_is_no_time_out() -> None:
    settings = Configuration({"COMMTIMEOUT": None}, use_environment=False)

    assert settings.COMMTIMEOUT == 0.0


def test_a_password_is_never_shown() -> None:
    settings = Configuration(SSL_CLIENTKEYPASSWD="secret")

    assert settings.SSL_CLIENTKEYPASSWD == "secret"
    assert "secret" not in settings.dump() + repr(settings)
    assert "SSL_CLIENTKEYPASSWD = ***" in settings.dump()
    with pytest.raises(TypeError, match="SSL_CLIENTKEYPASSWD") as caught:
        Configuration(SSL_CLIENTKEYPASSWD=b"secret")
    assert "secret" not in str(caught.value)


def test_items_can_be_given_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRO_NS_PORT", "4444")
    monkeypatch.setenv("PYRO_HOST", "elsewhere")

    settings = Configuration({"NS_PORT": 5, "SERIALIZER": "json"}, SERIALIZER="msgpack")

    assert (settings.NS_PORT, settings.HOST) == (5, "elsewhere")
    assert settings.SERIALIZER == "msgpack"


def test_a_list_is_taken_over_as_a_copy() -> None:
    accepted = ["json"]
    settings = Configuration(SERIALIZERS_ACCEPTED=accepted)
    accepted.append("marshal")
    sent_by_tuple = Configuration(SERIALIZERS_ACCEPTED=("json",))

    assert settings.SERIALIZERS_ACCEPTED == ["json"]
    assert settings == sent_by_tuple


def test_equal_configurations_have_equal_items() -> None:
    settings = Configuration(NS_PORT=5)

    assert settings == Configuration(NS_PORT=5)
    assert settings != Configuration()
    assert settings != settings.as_dict()
    for other in (copy.copy(settings), copy.deepcopy(settings)):
        assert other == settings
        assert other is not settings
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(TypeError, match="unhashable"):
        hash(settings)


def test_a_configuration_shows_what_differs_from_the_defaults() -> None:
    assert repr(Configuration()) == "Configuration()"
    assert repr(Configuration(SERIALIZER="json", NS_PORT=5)) == (
        "Configuration(NS_PORT=5, SERIALIZER='json')"
    )


def test_an_item_cannot_be_deleted() -> None:
    with pytest.raises(AttributeError, match="HOST cannot be deleted"):
        del Configuration().HOST


PROGRAM = """
from pyro_protocol import config
{statements}
"""


def run(statements: str, **settings: str) -> tuple[str, str]:
    """Run statements with ``config``; return standard output and error."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statements=statements)],
        env=os.environ | {f"PYRO_{item}": value for item, value in settings.items()},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout, result.stderr


def test_a_bad_value_in_the_environment_does_not_break_the_import() -> None:
    printed, warned = run("print(config.HOST)", SSL="ture", HOST="elsewhere")

    assert printed == "elsewhere\n"
    assert "RuntimeWarning: environment variable PYRO_SSL is unusable" in warned


def test_an_item_with_a_bad_value_has_none_until_it_is_set() -> None:
    statements = """
other = config.copy()
for settings in (config, other):
    for read in (lambda: settings.SSL, settings.as_dict):
        try:
            read()
        except ValueError as error:
            print(error)
print(list(config.faults), "SSL = environment variable" in config.dump())
other.SSL = True
print(other.SSL, other.faults, len(other.as_dict()) == len(other.defaults()))
config.reset(use_environment=False)
print(config.SSL)
"""
    printed, _ = run(statements, SSL="ture")

    *errors, listed, healed, reset = printed.splitlines()
    assert len(errors) == 4
    assert all("PYRO_SSL is unusable" in one and "'ture'" in one for one in errors)
    assert listed == "['SSL'] True"
    assert healed == "True {} True"
    assert reset == "False"


def test_an_unknown_variable_is_reported_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYRO_SERIALISER", "json")

    with pytest.warns(RuntimeWarning, match="ignored; did you mean SERIALIZER"):
        Configuration()
