"""What installing pyro-protocol alone brings with it."""

from __future__ import annotations

from support.installation import (
    command_names,
    has_type_information,
    licence_files,
    load_every_command,
    loaded_parts,
    requirements,
)


def test_it_requires_the_serializer_libraries_and_nothing_else() -> None:
    assert set(requirements("pyro-protocol")) == {"serpent", "msgpack"}


def test_importing_all_of_it_loads_no_other_part() -> None:
    assert loaded_parts("pyro_protocol") == ["pyro_protocol"]


def test_type_checkers_use_its_annotations() -> None:
    assert has_type_information("pyro_protocol")


def test_its_licence_is_installed_with_it() -> None:
    assert licence_files("pyro-protocol") == ["LICENSE"]


def test_its_commands_are_installed_and_importable() -> None:
    assert command_names("pyro-protocol") == {"pyro-check-config"}
    load_every_command("pyro-protocol")
