"""The serializers of Pyro4: the formats are those of Pyro5, the class names are not."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ..serializers.codec import Dialect, Serializer, dialect
from ..serializers.json import JsonSerializer
from ..serializers.marshal import MarshalSerializer
from ..serializers.msgpack import MsgpackSerializer
from ..serializers.opt_in import PICKLED_NAMES, opted_in
from ..serializers.serpent import SerpentSerializer
from .class_names import own_form, pyro4_form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..serializers import Buffer

__all__ = ["pyro4_serializers"]

_PYRO4: Final = Dialect(pyro4_form, own_form)


class _Pyro4Serializer(Serializer):
    """Has classes named as Pyro4 does; to be combined with a serializer."""

    def _encode(self, value: object) -> bytes:
        token = dialect.set(_PYRO4)
        try:
            return super()._encode(value)  # type: ignore[safe-super] # of the serializer
        finally:
            dialect.reset(token)

    def _encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        token = dialect.set(_PYRO4)
        try:
            return super()._encode_call(object_id, method, args, kwargs)
        finally:
            dialect.reset(token)

    def _decode(self, data: Buffer) -> Any:
        token = dialect.set(_PYRO4)
        try:
            return super()._decode(data)  # type: ignore[safe-super] # of the serializer
        finally:
            dialect.reset(token)

    def _decode_call(self, data: Buffer) -> Any:
        token = dialect.set(_PYRO4)
        try:
            return super()._decode_call(data)
        finally:
            dialect.reset(token)


class _Pyro4Serpent(_Pyro4Serializer, SerpentSerializer):
    """Serpent text as Pyro4 writes it."""


class _Pyro4Json(_Pyro4Serializer, JsonSerializer):
    """JSON text as Pyro4 writes it."""


class _Pyro4Marshal(_Pyro4Serializer, MarshalSerializer):
    """Marshal data as Pyro4 writes it."""


class _Pyro4Msgpack(_Pyro4Serializer, MsgpackSerializer):
    """MessagePack data as Pyro4 writes it."""


@cache
def pyro4_serializers(
    accepted: frozenset[int], *, max_nesting: int, bytes_repr: bool = False
) -> Mapping[int, Serializer]:
    """Return what a conversation with a Pyro4 client is read with, by id.

    The ids are those of protocol 502. Those of the pickle family are there if they
    are accepted, which needs a program that has chosen them.

    Args:
        accepted: the ids that requests may be made with.
        max_nesting: how deeply received containers may be nested.
        bytes_repr: whether serpent writes bytes as literals.

    Raises:
        SerializeError: the library of one that is accepted is missing.
    """
    known: list[Serializer] = [
        _Pyro4Serpent(max_nesting=max_nesting, bytes_repr=bytes_repr),
        _Pyro4Json(max_nesting=max_nesting),
        _Pyro4Marshal(max_nesting=max_nesting),
        _Pyro4Msgpack(max_nesting=max_nesting),
    ]
    pickled = sorted(accepted & PICKLED_NAMES.keys())
    if pickled:
        from .pickled import pyro4_pickled  # noqa: PLC0415 - few programs need it

        for number in pickled:
            # It also says in the log what the choice means.
            opted_in(PICKLED_NAMES[number])
            known.append(pyro4_pickled(PICKLED_NAMES[number]))
    return {one.id: one for one in known}
