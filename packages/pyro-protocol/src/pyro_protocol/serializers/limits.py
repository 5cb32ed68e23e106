"""What bounds the cost of received values, whichever format they came in."""

from __future__ import annotations

from collections import Counter
from gc import get_referents
from typing import TYPE_CHECKING, Any, Final

from ..errors import SerializeError

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "EQUAL_HASHES_LIMIT",
    "NESTING_LIMIT",
    "check_depth",
    "check_hashes",
    "too_deep",
]

NESTING_LIMIT: Final = 1024
"""How deeply containers may be nested in a message unless the configuration item
MAX_NESTING says otherwise: as deep as the msgpack library reads."""

EQUAL_HASHES_LIMIT: Final = 100
"""How many keys of one dictionary, or elements of one set, may have the same hash.
Python compares each of these with those before it: without a bound, some ten
thousand integers that differ by multiples of 2**61-1 keep it busy for seconds. Up to
here that is 50 comparisons for each. Values that were not made for it have two."""

_CONTAINERS: Final = frozenset({dict, frozenset, list, set, tuple})
# Nobody outside this process can tell their hashes.
_UNPREDICTABLE: Final = frozenset({bytes, str})


def check_hashes(keys: Collection[object]) -> None:
    """Check that a dictionary or a set can be made of ``keys`` in linear time.

    Raises:
        SerializeError: too many of them have the same hash.
        TypeError: one has no hash.
    """
    if len(keys) <= EQUAL_HASHES_LIMIT or _UNPREDICTABLE.issuperset(map(type, keys)):
        return
    hashes = list(map(hash, keys))
    if len(hashes) - len(set(hashes)) < EQUAL_HASHES_LIMIT:
        return
    (_, most), *_ = Counter(hashes).most_common(1)
    if most > EQUAL_HASHES_LIMIT:
        raise SerializeError(
            f"{most} keys of one dictionary, or elements of one set, have the same"
            f" hash; at most {EQUAL_HASHES_LIMIT} may"
        )


def check_depth(value: Any, limit: int) -> None:
    """Check how deeply the containers in a decoded value are nested.

    Raises:
        SerializeError: they are nested deeper than ``limit``.
    """
    level = [value]
    for _ in range(limit + 1):
        # By identity, so that a part that is shared is looked into once a level.
        inner = {id(one): one for one in level if type(one) in _CONTAINERS}
        if not inner:
            return
        level = get_referents(*inner.values())
    raise too_deep(limit)


def too_deep(limit: int) -> SerializeError:
    """Return the error for data that is nested deeper than ``limit``."""
    return SerializeError(
        f"the data is nested deeper than {limit} levels; see the configuration item"
        " MAX_NESTING"
    )
