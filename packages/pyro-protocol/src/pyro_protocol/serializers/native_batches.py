"""Writing the calls of a batch in the native format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msgpack import Packer

__all__ = ["BATCH", "pack_batch", "without_tuples"]

BATCH: Final = "<batch>"
"""The method name of a batch; its arguments are calls."""

_ARRAY_OF_THREE: Final = b"\x93"
_ARRAY_OF_FOUR: Final = b"\x94"
_NIL: Final = b"\xc0"
_TUPLES: Final = frozenset({tuple})


def pack_batch(packer: Packer, object_id: str, calls: Sequence[Any]) -> bytes | None:
    """Return a batch as bytes, or None if its calls are not as most are.

    Those are tuples, without keyword arguments. What is between the arguments of two
    calls of one method is made once, and only the arguments become lists, which the
    packer is quick with, one at a time.
    """
    if not _TUPLES.issuperset(map(type, calls)):
        return None
    pack = packer.pack
    pieces = [
        _ARRAY_OF_FOUR + pack(object_id) + pack(BATCH),
        packer.pack_array_header(len(calls)),
    ]
    add = pieces.append
    arguments: list[bytes] = []
    last = None
    between = b""
    for name, args, kwargs in calls:
        if name is not last:
            add(between.join(arguments))
            between = _NIL + _ARRAY_OF_THREE + pack(name)
            # What ends the call before is there already.
            add(between if arguments else between[1:])
            arguments = []
            last = name
        if kwargs or type(args) is not tuple:
            return None
        arguments.append(pack([*args]))
    pieces += between.join(arguments), _NIL if arguments else b"", _NIL
    return b"".join(pieces)


def without_tuples(calls: Sequence[Any]) -> Sequence[Any]:
    """Return the calls of a batch as lists: to write and read tuples takes long.

    What has another shape is left as it is; the receiver tells of it.
    """
    if not _TUPLES.issuperset(map(type, calls)):
        return calls
    try:
        return [
            [name, [*args] if type(args) is tuple else args, kwargs]
            for name, args, kwargs in calls
        ]
    except ValueError:
        return calls
