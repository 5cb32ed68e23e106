"""How much more than the service a server and its clients know of, for growth."""

from __future__ import annotations

import os
from typing import Any, Final

from peers.service import Service

__all__ = ["CLASSES", "OBJECTS", "register_classes", "register_objects"]

OBJECTS: Final = "BENCHMARK_OBJECTS"
"""Environment variable with the number of further objects of the daemon."""

CLASSES: Final = "BENCHMARK_CLASSES"
"""Environment variable with the number of classes that have converters."""


def register_objects(daemon: Any) -> None:
    """Register as many objects more as the environment says."""
    for number in range(int(os.environ.get(OBJECTS, "0"))):
        daemon.register(Service(), f"further-{number}")


def register_classes(library: Any) -> None:
    """Register as many classes as the environment says, with Pyro's functions."""
    for number in range(int(os.environ.get(CLASSES, "0"))):
        name = f"Further{number}"
        library.register_class_to_dict(type(name, (), {}), _to_dict)
        library.register_dict_to_class(name, _from_dict)


def _to_dict(one: object) -> dict[str, object]:
    return {"__class__": type(one).__name__}


def _from_dict(name: str, values: dict[str, object]) -> object:
    return (name, values)
