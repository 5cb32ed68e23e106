from __future__ import annotations

import stat
from pathlib import Path

import pytest

from pyro_naming.user_data import data_folder, default_storage, kept_where


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for the data of a user, which is not there yet."""
    folder = tmp_path / "data"
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(folder))
    return folder


def test_the_file_is_named_after_the_port(home: Path) -> None:
    assert default_storage(9090) == f"sql:{home / 'pyro' / 'names-9090.sqlite'}"


def test_nobody_else_can_look_into_the_folder(home: Path) -> None:
    default_storage(9090)
    assert stat.S_IMODE((home / "pyro").stat().st_mode) == 0o700


def test_unix_sockets_of_the_same_name_have_files_of_their_own(home: Path) -> None:
    first, again, second = (
        default_storage(9090, path)
        for path in ("/run/a/ns.sock", "/run/b/../a/ns.sock", "/run/b/ns.sock")
    )
    assert first == again != second
    assert Path(first).name.startswith("names-ns.sock-")


def test_names_of_a_port_to_which_nobody_comes_back_are_not_kept(home: Path) -> None:
    assert default_storage(0) == "memory"
    assert not home.exists()


def test_a_relative_folder_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, "here")
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    assert data_folder().name == "pyro"
    assert data_folder().is_relative_to(tmp_path)


@pytest.mark.parametrize(
    ("storage", "place"),
    [
        ("memory", "memory and forgotten at the end"),
        ("sql:/var/names.sqlite", "/var/names.sqlite"),
        ("dbm:/var/names", "/var/names"),
        ("redis://engine:6379/1", "redis://engine:6379/1"),
        ("redis://me:secret@engine/0?password=secret#x", "redis://engine/0"),
        ("etcd://:secret@a:2379,b:2379/lab", "etcd://a:2379,b:2379/lab"),
    ],
)
def test_a_user_is_told_where_names_are_and_no_password(
    storage: str, place: str
) -> None:
    assert kept_where(storage) == f"Names are kept in {place}"


def test_a_relative_file_is_shown_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert kept_where("sql:names") == f"Names are kept in {tmp_path / 'names'}"
