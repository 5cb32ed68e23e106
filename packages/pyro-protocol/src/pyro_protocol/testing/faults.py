"""What can go wrong on the way between a client and a server."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["NO_FAULTS", "Fault", "Faults"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of the bytes that go in one direction.

    Attributes:
        delay: seconds that they are under way.
        cut_after: after how many bytes the connection is cut; None for never. That
            happens once: connections that are made afterwards are not cut.
        drop_after: after how many bytes all others vanish, while the connection
            stays; None for never. That lasts, as when a cable was pulled.
        abort: whether both ends see a lost connection when it is cut, rather than
            its end.

    Raises:
        ValueError: one of the numbers is negative.
    """

    delay: float = 0.0
    cut_after: int | None = None
    drop_after: int | None = None
    abort: bool = False

    def __post_init__(self) -> None:
        for name in ("delay", "cut_after", "drop_after"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ValueError(f"{name} must be 0 or more, not {value!r}")


@dataclass(frozen=True, slots=True)
class Faults:
    """What becomes of the bytes in both directions.

    Attributes:
        to_server: of what the client sends.
        to_client: of what the server sends.
    """

    to_server: Fault = field(default_factory=Fault)
    to_client: Fault = field(default_factory=Fault)


NO_FAULTS = Faults()
"""A line on which everything arrives at once."""
