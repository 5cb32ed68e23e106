"""The serializers that nobody gets without naming them: the pickle family.

Reading their data means running whatever code the sender wants. They are in none of
the tables of serializers; who has them from here has chosen them.
"""

from __future__ import annotations

import logging
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .codec import Serializer

__all__ = ["PICKLED_IDS", "PICKLED_NAMES", "opted_in"]

_logger = logging.getLogger("pyro.serializers")

PICKLED_IDS: Final[dict[str, int]] = {"pickle": 79, "cloudpickle": 80, "dill": 81}
"""Their numbers in the message header, by name."""

PICKLED_NAMES: Final[dict[int, str]] = {
    number: name for name, number in PICKLED_IDS.items()
}
"""Their names, by number."""

_CLASSES: Final = {
    "pickle": "PickleSerializer",
    "cloudpickle": "CloudpickleSerializer",
    "dill": "DillSerializer",
}


@cache
def opted_in(name: str) -> Serializer:
    """Return a serializer of the pickle family, for a program that has named it.

    The first time, the log says loudly what that means.

    Args:
        name: ``pickle``, ``cloudpickle`` or ``dill``.

    Raises:
        SerializeError: its library is missing.
    """
    # Most programs never need what this imports.
    module: Any = import_module(".pickled", __package__)
    serializer: Serializer = getattr(module, _CLASSES[name])()
    _logger.warning(
        "SECURITY: this program has chosen the serializer %r; whoever can send it "
        "such data can run any code in it. Use it only among peers that are trusted, "
        "on a network that is closed to all others",
        name,
    )
    return serializer
