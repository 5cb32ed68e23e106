"""Move files to an archive and back; the README shows how it is called."""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyro_client import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE_SIZE = 256 * 1024
WIDTH = 40


def show(name: str, done: int, total: int) -> None:
    """Draw the progress bar over what stands in its line."""
    bar = ("#" * (WIDTH * done // total)).ljust(WIDTH)
    percent = 100 * done // total
    print(f"\r{name} [{bar}] {percent:3} %  {done / 2**20:.1f} MiB", end="", flush=True)


def counted(name: str, pieces: Iterator[bytes], total: int) -> Iterator[bytes]:
    """Pass pieces on, and show how far they are."""
    done = 0
    for piece in pieces:
        done += len(piece)
        yield piece
        show(name, done, total)
    print()


def pieces_of(path: Path) -> Iterator[bytes]:
    """Read a file piece by piece."""
    with path.open("rb") as file:
        while piece := file.read(PIECE_SIZE):
            yield piece


def upload(archive: Proxy, path: Path) -> None:
    """Send a file, and compare what has arrived."""
    checksum = hashlib.sha256()

    def checked() -> Iterator[bytes]:
        for piece in counted(path.name, pieces_of(path), path.stat().st_size):
            checksum.update(piece)
            yield piece

    same = archive.upload(path.name, checked()) == checksum.hexdigest()
    print("stored, and what arrived is", "what was sent" if same else "different")


def download(archive: Proxy, name: str, path: Path) -> None:
    """Fetch a file."""
    checksum = hashlib.sha256()
    with archive.download(name) as stream, path.open("wb") as file:
        for piece in counted(name, stream, archive.size(name)):
            checksum.update(piece)
            file.write(piece)
        if stream.result != checksum.hexdigest():
            sys.exit("what has arrived is not what was sent")


def first_quarter(archive: Proxy, name: str) -> None:
    """Fetch the beginning of a file only."""
    total = archive.size(name)
    done = 0
    with archive.download(name) as stream:
        for piece in stream:
            done += len(piece)
            show("first.raw", done, total)
            if 4 * done >= total:
                break
    # The server learns of it a moment later.
    while not (unfinished := archive.unfinished()):
        time.sleep(0.01)
    print(f"\nstopped there: {unfinished} download was not finished")


uri, action, *names = sys.argv[1:]
with Proxy(uri) as remote:
    if action == "upload":
        upload(remote, Path(names[0]))
    elif action == "download":
        download(remote, names[0], Path(names[1]))
    else:
        first_quarter(remote, names[0])
