"""What sensors send and listeners understand; the dispatcher does not import it."""

from __future__ import annotations

from dataclasses import dataclass

from pyro_protocol import register_class


@register_class
@dataclass(frozen=True)
class Reading:
    """A value, and where it is from."""

    sensor: str
    value: float
    unit: str
