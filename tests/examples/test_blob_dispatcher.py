"""A dispatcher that passes on what it cannot read."""

from __future__ import annotations

from support.walkthrough import walk

PROGRAMS = ("blob_dispatcher.dispatcher", "blob_dispatcher.listener")


def test_readings_reach_those_who_listen_for_their_topic() -> None:
    with walk("blob_dispatcher", staying=PROGRAMS) as steps:
        steps.follow()
        archive, alarm = steps.programs[2:]
        roof = r"^Reading\(sensor='roof', value=31.5, unit='°C'\)$"
        archive.wait_for(roof)
        archive.wait_for(r"^Reading\(sensor='cellar', value=72.0, unit='%'\)$")
        alarm.wait_for(roof)
