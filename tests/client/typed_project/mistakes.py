"""Mistakes that a type checker has to find; each in a line with the word mistake."""

from __future__ import annotations

from camera import AsyncCamera, Camera

from pyro_client import connect, connect_async

camera = connect(Camera, "PYRONAME:lab.camera")
camera.snapp(1)  # mistake: no such method
camera.snap()  # mistake: an argument is missing
camera.snap(exposure=1)  # mistake: it is given by position
camera.snap(1, compression="zip")  # mistake: not one of the texts
camera.temperature = 1  # mistake: it cannot be set
text: str = camera.gain  # mistake: another type
connect(Camera)  # mistake: no URI


async def main() -> None:
    """Make mistakes with asyncio."""
    other = await connect_async(AsyncCamera, "PYRONAME:lab.camera")
    other.snap(1).data  # mistake: not awaited
    for _ in other.frames():  # mistake: not asynchronous
        pass
