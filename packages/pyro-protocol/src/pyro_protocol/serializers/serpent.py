"""The serpent serializer: Python literals as text, the common tongue of Pyro.

Bytes travel in base64 and arrive as the dictionary ``{'data': ..., 'encoding':
'base64'}``, which ``serpent.tobytes`` turns into bytes; with the configuration item
SERPENT_BYTES_REPR they travel as literals and arrive as bytes. An empty set arrives
as an empty tuple, a frozenset as a set; dates, UUIDs and Decimals arrive as text,
durations as seconds, members of enumerations as their values, and instances of
classes derived from builtin ones as the plain value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ..config import config
from .classes import recreate
from .codec import Buffer, Serializer
from .limits import NESTING_LIMIT
from .serpent_writer import SerpentWriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SerpentSerializer"]

_Reader = Callable[[str, int], tuple[Any, bool]]

_HEADER: Final = "# serpent utf-8 python3.2\n"


# What programs of our family hardly ever need, and takes long to import.
@cache
def _readers() -> tuple[_Reader, _Reader]:
    """Return what reads a value, and what reads a call."""
    from .serpent_shortcuts import read_call, read_value  # noqa: PLC0415

    return read_value, read_call


class SerpentSerializer(Serializer):
    """Serpent text: the default towards Pyro programs of other families.

    Args:
        max_nesting: how deeply received containers may be nested, at most as deeply
            as Pyro5 reads.
        bytes_repr: whether bytes are written as literals; None means what the global
            configuration says at the time.
    """

    name = "serpent"
    id = 1

    def __init__(
        self, *, max_nesting: int = NESTING_LIMIT, bytes_repr: bool | None = None
    ) -> None:
        self._max_nesting = max_nesting
        self._bytes_repr = bytes_repr
        self._writer = SerpentWriter(self._writes_literals)

    def _writes_literals(self) -> bool:
        chosen = self._bytes_repr
        return config.SERPENT_BYTES_REPR if chosen is None else chosen

    def _encode(self, value: object) -> bytes:
        return f"{_HEADER}{self._writer.write(value)}".encode()

    def _encode_call(
        self,
        object_id: str,
        method: str,
        args: Sequence[object],
        kwargs: Mapping[str, object] | None,
    ) -> bytes:
        text = self._writer.write_call(object_id, method, args, kwargs)
        return f"{_HEADER}{text}".encode()

    def _decode(self, data: Buffer) -> Any:
        read_value, _ = _readers()
        value, has_classes = read_value(_text_of(data), self._max_nesting)
        return recreate(value, serpent=True) if has_classes else value

    def _decode_call(self, data: Buffer) -> Any:
        _, read_call = _readers()
        call, has_classes = read_call(_text_of(data), self._max_nesting)
        return recreate(call, serpent=True) if has_classes else call


def _text_of(data: Buffer) -> str:
    """Return the text without its first line, if that is a comment."""
    text = data.decode() if type(data) is bytes else str(data, "utf-8")
    text = text.removeprefix(_HEADER)
    return text[text.find("\n") + 1 :] if text[:1] == "#" else text
