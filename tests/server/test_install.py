"""What installing pyro-server alone brings with it."""

from __future__ import annotations

from support.installation import (
    command_names,
    has_type_information,
    licence_files,
    load_every_command,
    loaded_parts,
    requirements,
)


def test_its_only_requirement_is_the_protocol_within_bounds() -> None:
    required = requirements("pyro-server")
    assert list(required) == ["pyro-protocol"]
    bounds = {bound.operator for bound in required["pyro-protocol"].specifier}
    assert bounds == {">=", "<"}


def test_importing_all_of_it_loads_no_sibling() -> None:
    assert loaded_parts("pyro_server") == ["pyro_protocol", "pyro_server"]


def test_type_checkers_use_its_annotations() -> None:
    assert has_type_information("pyro_server")


def test_its_licence_is_installed_with_it() -> None:
    assert licence_files("pyro-server") == ["LICENSE"]


def test_its_commands_are_installed_and_importable() -> None:
    assert command_names("pyro-server") == {"pyro-serve"}
    load_every_command("pyro-server")
