"""``Pyro4.message``: the numbers in messages, as ``current_context`` tells them.

The class ``Message`` is not provided: no documented use of it is left to a program, and
the messages here are those of Pyro5.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "FLAGS_BATCH",
    "FLAGS_COMPRESSED",
    "FLAGS_EXCEPTION",
    "FLAGS_ITEMSTREAMRESULT",
    "FLAGS_KEEPSERIALIZED",
    "FLAGS_META_ON_CONNECT",
    "FLAGS_ONEWAY",
    "MSG_CONNECT",
    "MSG_CONNECTFAIL",
    "MSG_CONNECTOK",
    "MSG_INVOKE",
    "MSG_PING",
    "MSG_RESULT",
]

MSG_CONNECT: Final = 1
MSG_CONNECTOK: Final = 2
MSG_CONNECTFAIL: Final = 3
MSG_INVOKE: Final = 4
MSG_RESULT: Final = 5
MSG_PING: Final = 6

FLAGS_EXCEPTION: Final = 1
FLAGS_COMPRESSED: Final = 2
FLAGS_ONEWAY: Final = 4
FLAGS_BATCH: Final = 8
FLAGS_META_ON_CONNECT: Final = 16
FLAGS_ITEMSTREAMRESULT: Final = 32
FLAGS_KEEPSERIALIZED: Final = 64
