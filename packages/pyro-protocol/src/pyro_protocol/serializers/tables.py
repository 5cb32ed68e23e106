"""The serializers there are, by name and by number."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from .json import JsonSerializer
from .limits import NESTING_LIMIT
from .marshal import MarshalSerializer
from .msgpack import MsgpackSerializer
from .native import NativeSerializer
from .serpent import SerpentSerializer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .codec import Serializer

__all__ = ["serializers", "serializers_by_id", "serializers_within"]

_KINDS: Final = (
    SerpentSerializer,
    MarshalSerializer,
    JsonSerializer,
    MsgpackSerializer,
    NativeSerializer,
)

serializers: Final[dict[str, Serializer]] = {kind.name: kind() for kind in _KINDS}
"""Every serializer by its name in the configuration."""

serializers_by_id: Final[dict[int, Serializer]] = {
    serializer.id: serializer for serializer in serializers.values()
}
"""Every serializer by its number in the message header."""


@cache
def serializers_within(
    *, max_nesting: int, bytes_repr: bool = False
) -> Mapping[int, Serializer]:
    """Return what a conversation is read with, keeping to certain settings.

    That is every serializer by its number. Streams and callbacks are refused where no
    capability is in force that gives them a meaning.

    Args:
        max_nesting: how deeply received containers may be nested. No format goes
            further than it does by itself.
        bytes_repr: whether serpent writes bytes as literals.
    """
    serpent = SerpentSerializer(max_nesting=max_nesting, bytes_repr=bytes_repr)
    native = NativeSerializer(bound=True, max_nesting=max_nesting)
    own = {serpent.id: serpent, native.id: native}
    if max_nesting == NESTING_LIMIT:
        return {**serializers_by_id, **own}
    return {**{kind.id: kind(max_nesting=max_nesting) for kind in _KINDS}, **own}
