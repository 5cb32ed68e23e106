"""What a PYRONAME or PYROMETA URI asks for, and how long one waits for it."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Final

from ..errors import NamingError, PyroError
from ..uri import URI

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..config import Configuration
    from .attempts import Host

__all__ = [
    "LONGEST_CHAIN",
    "choose",
    "endless_chain",
    "pauses",
    "place_of",
    "providers",
]

# A name may stand for another name; a chain this long is a circle, or a mistake.
LONGEST_CHAIN: Final = 10

_SHORTEST_PAUSE: Final = 0.2
_TRIES: Final = 5


def place_of(uri: URI) -> tuple[Host, int | None]:
    """Return host and port of the name server that a URI says, as for `locate_ns`."""
    if uri.sockname is not None:
        return f"./u:{uri.sockname}", None
    return uri.host or "", uri.port


def choose(tags: Iterable[str], found: dict[str, str]) -> URI:
    """Return one of the objects found for tags, at random, to share the load.

    Raises:
        NamingError: none was found.
    """
    if not found:
        raise _nobody(tags)
    return URI(random.choice(list(found.values())))  # noqa: S311 - not a secret


def providers(tags: Iterable[str], found: dict[str, str]) -> list[URI]:
    """Return the objects found for tags, each once, in random order.

    What is no URI is left out: somebody's mistake is not to keep others from working.

    Raises:
        NamingError: none was found.
    """
    result: list[URI] = []
    for one in {str(value) for value in found.values()}:
        with contextlib.suppress(PyroError):
            result.append(URI(one))
    if not result:
        raise _nobody(tags)
    random.shuffle(result)
    return result


def _nobody(tags: Iterable[str]) -> NamingError:
    return NamingError(
        "no registration has all of the metadata: " + ", ".join(sorted(tags))
    )


def pauses(delay_time: float, config: Configuration) -> Iterator[float]:
    """Return how long to wait after each failure, as long as there is time left.

    Args:
        delay_time: how many seconds a name may take to appear; 0 means
            ``config.NS_LOOKUP_DELAY``.
        config: the settings.
    """
    remaining = delay_time or config.NS_LOOKUP_DELAY
    pause = max(_SHORTEST_PAUSE, remaining / _TRIES)
    while remaining > 0:
        yield min(pause, remaining)
        remaining -= pause


def endless_chain(uri: URI) -> NamingError:
    """Return the error for a name that only leads to other names."""
    return NamingError(f"{uri} leads through more than {LONGEST_CHAIN} other names")
