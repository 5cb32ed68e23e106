"""An archive of files: python server.py --folder FOLDER."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from pyro_server import Daemon, expose

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

PIECE_SIZE = 256 * 1024


@expose
class Archive:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unfinished = 0

    def size(self, name: str) -> int:
        """Return how many bytes a file has."""
        return self._path(name).stat().st_size

    def download(self, name: str) -> Generator[bytes, None, str]:
        """Give a file piece by piece, and return its SHA-256."""
        checksum = hashlib.sha256()
        finished = False
        with self._path(name).open("rb") as file:
            try:
                while piece := file.read(PIECE_SIZE):
                    checksum.update(piece)
                    yield piece
                finished = True
            finally:
                self._unfinished += not finished
        return checksum.hexdigest()

    def upload(self, name: str, pieces: Iterator[bytes]) -> str:
        """Store a file that comes piece by piece, and return its SHA-256."""
        checksum = hashlib.sha256()
        with self._path(name).open("wb") as file:
            for piece in pieces:
                checksum.update(piece)
                file.write(piece)
        return checksum.hexdigest()

    def unfinished(self) -> int:
        """Return how many downloads were given up."""
        return self._unfinished

    def _path(self, name: str) -> Path:
        # Only the last part counts, so nobody gets out of the folder.
        return self._folder / Path(name).name


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("archive"))
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with Daemon() as daemon:
        print("archive:", daemon.register(Archive(folder), "archive"))
        daemon.requestLoop()


main()
