"""Compute with images: python -m camera_images.client PYRO:camera@..."""

from __future__ import annotations

import sys

import numpy as np

from camera_images.images import Camera
from pyro_client import connected

with connected(Camera, sys.argv[1]) as camera:
    image = camera.take()
    pixels = image.pixels
    print(f"Image {image.number}: {pixels.shape} {pixels.dtype}", end=", ")
    print(f"exposed for {image.seconds} s")
    row, column = divmod(int(pixels.argmax()), pixels.shape[1])
    print(f"Brightest star at row {row}, column {column}")

    total = np.zeros(pixels.shape)
    for frame in camera.frames(10):
        total += frame.pixels
    mean = total / 10
    # Averaging ten images divides the noise by the root of ten.
    quieter = pixels[:100].std() / mean[:100].std()
    print(f"Mean of 10 images: {mean.dtype}, noise 3 times lower: {quieter > 3}")

    region = camera.region(image, row, column)
    print("A region:", region.shape, region.dtype)
    corrected = camera.corrected(pixels[::2, ::2])
    print(f"Corrected by the camera: {corrected.dtype}", end=", ")
    print("its darkest pixel is", corrected.min())
