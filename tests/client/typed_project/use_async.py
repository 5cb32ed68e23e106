"""The same for asyncio."""

from __future__ import annotations

import asyncio

from camera import AsyncCamera
from interfaces import AsyncThermometer

from pyro_client import AsyncProxy, connect_async, connected_async

URI = "PYRONAME:lab.camera"


async def main() -> None:
    """Use the camera."""
    camera = await connect_async(AsyncCamera, URI)
    reveal_type(camera)  # AsyncCamera
    reveal_type(await camera.snap(0.5))  # Frame
    reveal_type(camera.frames(3))  # AsyncIterator[Frame]
    async for frame in camera.frames():
        reveal_type(frame.data)  # bytes
    reveal_type([one async for one in camera.temperatures()])  # list[float]
    reveal_type(await camera.gain)  # float
    reveal_type(await camera.stop())  # None
    reveal_type(await camera.twin())  # AsyncCamera
    both = await asyncio.gather(camera.focus(1), camera.list())
    reveal_type(both)  # tuple[dict[str, list[int]], list[str]]
    task = asyncio.create_task(camera.snap(1))
    reveal_type(task)  # Task[Frame]
    async with connected_async(AsyncThermometer, URI) as thermometer:
        reveal_type(thermometer)  # AsyncThermometer
        reveal_type(await thermometer.temperature)  # float
    reveal_type(await connect_async(AsyncProxy, URI))  # AsyncProxy
