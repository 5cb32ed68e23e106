"""What installing pyro-suite brings with it: every part."""

from __future__ import annotations

from support.installation import (
    has_type_information,
    licence_files,
    loaded_parts,
    requirements,
)

PARTS = ["client", "httpgw", "naming", "protocol", "server"]


def test_it_requires_every_part_and_nothing_else() -> None:
    assert sorted(requirements("pyro-suite")) == [f"pyro-{part}" for part in PARTS]


def test_using_all_of_it_loads_every_part() -> None:
    parts = sorted([*PARTS, "suite"])
    assert loaded_parts("pyro_suite") == [f"pyro_{part}" for part in parts]


def test_type_checkers_use_its_annotations() -> None:
    assert has_type_information("pyro_suite")


def test_its_licence_is_installed_with_it_and_that_of_the_recording() -> None:
    own, recording = licence_files("pyro-suite")
    assert own == "LICENSE"
    assert recording.endswith("/LICENSE-vega_datasets")
