"""What installing pyro-client alone brings with it."""

from __future__ import annotations

import importlib.metadata

from support.installation import (
    command_names,
    has_type_information,
    licence_files,
    load_every_command,
    loaded_parts,
    requirements,
)


def test_its_only_requirement_is_the_protocol_within_bounds() -> None:
    required = requirements("pyro-client")
    assert list(required) == ["pyro-protocol"]
    bounds = {bound.operator for bound in required["pyro-protocol"].specifier}
    assert bounds == {">=", "<"}


def test_importing_all_of_it_loads_no_sibling() -> None:
    assert loaded_parts("pyro_client") == ["pyro_client", "pyro_protocol"]


def test_type_checkers_use_its_annotations() -> None:
    assert has_type_information("pyro_client")


def test_its_licence_is_installed_with_it() -> None:
    assert licence_files("pyro-client") == ["LICENSE"]


def test_its_commands_are_installed_and_importable() -> None:
    assert command_names("pyro-client") == {"pyro-call", "pyro-doctor", "pyro-stubs"}
    load_every_command("pyro-client")


def test_it_offers_its_proxy_to_the_protocol() -> None:
    (entry,) = importlib.metadata.entry_points(group="pyro_protocol.proxy_factory")
    assert callable(entry.load())
