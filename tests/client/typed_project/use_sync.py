"""A program that uses the camera; what is revealed has to be as the comments say."""

from __future__ import annotations

from camera import Camera, Frame, Mode, Options, Size
from interfaces import Producer, Stoppable, Thermometer
from lab import Camera as ServedCamera

from pyro_client import Configuration, Proxy, connect, connected

URI = "PYRONAME:lab.camera"

camera = connect(Camera, URI)
reveal_type(camera)  # Camera
reveal_type(camera.snap(0.5))  # Frame
manual = camera.snap(0.5, Mode.MANUAL, size=Size(2), compression="lossless")
reveal_type(manual.data)  # bytes
reveal_type(camera.frames())  # Iterator[Frame]
reveal_type([frame.size.height for frame in camera.frames(most=3)])  # list[int]
reveal_type(camera.temperatures())  # Iterator[float]
reveal_type(camera.focus(1, 2, near=0.5))  # dict[str, list[int]]
reveal_type(camera.gain)  # float
reveal_type(camera.temperature)  # float
reveal_type(camera.price({"gain": 1.5}))  # Decimal
reveal_type(camera.price(Options(gain=1, binning=2)))  # Decimal
reveal_type(camera.list())  # list[str]
reveal_type(camera.twin())  # Camera
reveal_type(camera.unexplained(1))  # Any
reveal_type(len(camera))  # int
reveal_type(camera[0])  # str
reveal_type(camera.snap(1).number)  # UUID | None
camera.gain = 2.5

reveal_type(connect(Thermometer, URI))  # Thermometer
reveal_type(connect(Thermometer, URI).temperature)  # float
reveal_type(connect(Stoppable, URI, check=False))  # Stoppable
reveal_type(connect(Producer[Frame], URI, config=Configuration()))  # Producer[Frame]
reveal_type(connect(ServedCamera, URI))  # Camera
reveal_type(connect(Proxy, URI))  # Proxy

with connected(Camera, URI) as another:
    reveal_type(another)  # Camera
    reveal_type(another.snap(1).taken.year)  # int


def first(source: Producer[Frame]) -> Frame:
    """Show that the camera passes for what it has the methods of."""
    return next(iter(source.frames()))


reveal_type(first(camera))  # Frame
