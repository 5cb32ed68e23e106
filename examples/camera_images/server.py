"""A camera that looks at a star: python -m camera_images.server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from camera_images.images import Image
from pyro_server import Daemon, expose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ROWS = COLUMNS = 512
STAR = (300, 200)


@expose
class StarCamera:
    """It sees one star, and noise."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(seed=1)
        self._images = 0

    def take(self, seconds: float = 0.1) -> Image:
        """Take one image."""
        self._images += 1
        noise = self._random.normal(1000.0, 50.0, (ROWS, COLUMNS))
        noise[STAR] += 300_000 * seconds
        return Image(self._images, seconds, noise.clip(0, 65535).astype(np.uint16))

    def frames(self, count: int, seconds: float = 0.1) -> Iterator[Image]:
        """Take one image after the other."""
        for _ in range(count):
            yield self.take(seconds)

    def region(self, image: Image, row: int, column: int) -> NDArray[np.uint16]:
        """Cut out 5 x 5 pixels around a point."""
        return image.pixels[row - 2 : row + 3, column - 2 : column + 3]

    def corrected(self, pixels: NDArray[np.uint16]) -> NDArray[np.float32]:
        """Subtract the darkest pixel from all others."""
        return pixels.astype(np.float32) - np.float32(pixels.min())


if __name__ == "__main__":
    with Daemon() as daemon:
        print("camera:", daemon.register(StarCamera(), "camera"))
        daemon.requestLoop()
