"""Use the telescope, with TELESCOPE_TOKEN: python client.py PYRO:telescope@..."""

from __future__ import annotations

import os
import sys
from typing import Any

from pyro_client import Proxy, errors

KNOWN_VERSIONS = {1, 2}


class Telescope(Proxy):
    """A proxy that looks at what the server says of itself."""

    def _pyroValidateHandshake(self, response: Any) -> None:
        if response["version"] not in KNOWN_VERSIONS:
            raise errors.SecurityError(f"unknown version {response['version']}")
        print(f"Welcome, {response['hello']}.", end=" ")
        print(f"This is the {response['site']} telescope", end=", ")
        print("version", response["version"])


with Telescope(sys.argv[1]) as telescope:
    telescope._pyroHandshake = {"token": os.environ.get("TELESCOPE_TOKEN", "")}
    try:
        print(telescope.point(45.0))
    except errors.SecurityError as error:
        print("Refused:", error)
    except errors.CommunicationError as error:
        sys.exit(f"Not let in: {error}")
    print("Log:", *telescope.log())
