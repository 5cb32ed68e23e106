"""What ``import Pyro5`` gives: the settings, and the version that is provided."""

from __future__ import annotations

from typing import Final

from . import configure
from .configure import Configuration, global_config

__all__ = ["__version__", "config", "configure"]

__version__: Final = "5.17"
"""The version of Pyro5 whose documented names are provided."""

config: Configuration = global_config
"""The settings of the program."""
