"""A correlation id that travels through three services."""

from __future__ import annotations

from support.walkthrough import walk


def test_the_logs_of_three_services_have_the_id_of_the_client() -> None:
    with walk("correlation", staying=("service.py",)) as steps:
        steps.follow()
        for name, program in zip(
            ("siren", "alarm", "door"), steps.programs, strict=True
        ):
            program.wait_for(f"^9e107d9d {name}: door opened at night$")
            program.wait_for(f"^e4d909c2 {name}: cat came in$")
