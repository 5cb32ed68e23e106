"""What the camera sends and offers; both sides import this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pyro_protocol import register_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


@register_class
@dataclass
class Image:
    """A picture of the sky.

    Attributes:
        number: counted since the camera was switched on.
        seconds: how long it was exposed.
        pixels: the brightness of each, row by row.
    """

    number: int
    seconds: float
    pixels: NDArray[np.uint16]


class Camera(Protocol):
    """What can be done with a camera."""

    def take(self, seconds: float = 0.1) -> Image:
        """Take one image."""

    def frames(self, count: int, seconds: float = 0.1) -> Iterator[Image]:
        """Take one image after the other."""

    def region(self, image: Image, row: int, column: int) -> NDArray[np.uint16]:
        """Cut out 5 x 5 pixels around a point."""

    def corrected(self, pixels: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Subtract the darkest pixel from all others."""
