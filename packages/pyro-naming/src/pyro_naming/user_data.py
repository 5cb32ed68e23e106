"""Where ``pyro-ns`` keeps names if it is told nothing: a file of the user's."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["data_folder", "default_storage", "kept_where"]


def default_storage(port: int, unixsocket: str | None = None) -> str:
    """Return the storage, as text, of a name server that is started at a place.

    The folder of its file is made if it is not there.

    Args:
        port: the TCP port; nobody comes back to port 0, so its names are not kept.
        unixsocket: the path of a Unix socket that is listened on instead.

    Raises:
        OSError: there is no folder for the user's data, and none can be made.
    """
    if unixsocket:
        place = _name_of(unixsocket)
    elif port:
        place = str(port)
    else:
        return "memory"
    folder = data_folder()
    # What is registered is nobody else's business.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return f"sql:{folder / f'names-{place}.sqlite'}"


def data_folder() -> Path:
    """Return the folder where programs of this user keep data of Pyro's.

    ``XDG_DATA_HOME`` and ``LOCALAPPDATA`` count as they do for other programs.

    Raises:
        OSError: the user has no home folder.
    """
    if sys.platform == "win32":
        return _named("LOCALAPPDATA", "AppData/Local") / "pyro"
    usual = (
        "Library/Application Support" if sys.platform == "darwin" else ".local/share"
    )
    return _named("XDG_DATA_HOME", usual) / "pyro"


def kept_where(storage: str) -> str:
    """Return the sentence that tells a user where a storage keeps names.

    Args:
        storage: the text that the storage is chosen with. What follows the address of
            an engine is not shown, nor is what precedes it: it may hold a password.
    """
    if storage == "memory":
        return "Names are kept in memory and forgotten at the end"
    if "://" in storage:
        parts = urlsplit(storage)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    else:
        place = os.path.abspath(storage.partition(":")[2])  # noqa: PTH100 - as below
    return f"Names are kept in {place}"


def _named(variable: str, usual: str) -> Path:
    """Return the folder that a variable of the environment names, or the usual one."""
    named = Path(os.environ.get(variable, ""))
    # The specification of XDG_DATA_HOME has relative paths ignored.
    if named.is_absolute():
        return named
    try:
        return Path.home() / usual
    except RuntimeError as error:
        raise OSError(f"the folder for a user's data is not known: {error}") from error


def _name_of(unixsocket: str) -> str:
    """Return what distinguishes a Unix socket, fit for the name of a file."""
    path = os.path.abspath(unixsocket)  # noqa: PTH100 - Path.resolve follows links
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return f"{os.path.basename(path)}-{digest}"  # noqa: PTH119 - as above
