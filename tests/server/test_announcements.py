"""What is said about a name when it is registered."""

from __future__ import annotations

import getpass
import socket
from typing import Any

import pytest

from pyro_protocol import URI
from pyro_protocol.config import Configuration
from pyro_server.announcements import Announcement, user_and_machine

LAMP = URI("PYRO:lamp@localhost:5")


def announcement(**options: Any) -> Announcement:
    settings = Configuration(use_environment=False)
    settings.NS_TTL, settings.NS_OWNER = 30.0, "house"
    return Announcement.of("lamp", LAMP, settings, **options)


def test_settings_stand_for_what_is_left_out() -> None:
    assert announcement() == Announcement(
        name="lamp", uri=LAMP, ttl=30.0, owner="house"
    )
    assert announcement(ttl=0, owner="").ttl == 0
    assert announcement(ttl=0, owner="").owner == ""
    assert announcement(metadata=iter(["warm"])).metadata == frozenset({"warm"})


def test_without_an_owner_in_the_settings_it_is_left_open() -> None:
    settings = Configuration(use_environment=False)
    assert Announcement.of("lamp", LAMP, settings).owner is None


@pytest.mark.parametrize("ttl", [-1, float("nan"), float("inf")])
def test_a_ttl_is_a_number_of_seconds(ttl: float) -> None:
    with pytest.raises(ValueError, match="a ttl must be 0 or a number of seconds"):
        announcement(ttl=ttl)


@pytest.mark.parametrize(
    "options", [{"metadata": "warm"}, {"metadata": [1]}, {"owner": 1}]
)
def test_texts_are_texts(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="must be"):
        announcement(**options)


def test_a_name_is_text() -> None:
    with pytest.raises(TypeError, match="a name must be text"):
        Announcement.of(1, LAMP, Configuration(use_environment=False))  # type: ignore[arg-type] # that is the point


def test_the_owner_is_who_runs_the_program_and_where() -> None:
    assert user_and_machine() == f"{getpass.getuser()}@{socket.gethostname()}"


def test_somebody_whom_the_system_does_not_know_has_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", unknown)
    monkeypatch.setattr("os.getuid", lambda: 4711, raising=False)
    assert user_and_machine() == f"4711@{socket.gethostname()}"
