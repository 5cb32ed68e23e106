"""What is measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from peers.service import (
    BATCH_SIZE,
    IN_FLIGHT,
    MEBIBYTE,
    ONEWAY_SIZE,
    PAYLOAD_SIZE,
    RECORDS,
    STREAM_SIZE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MEASURES", "Measure"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One kind of work.

    Attributes:
        title: heading in the report.
        unit: of the figure.
        amount: how much of the unit one operation is.
        operation: method of a connection; or ``connect``: connecting, a call,
            closing.
        threads: of the client, each with a connection of its own.
        processes: of the client, each with a connection of its own, instead.
        size: bytes that are moved, if the operation is ``upload`` or ``download``.
        answer: what the operation returns, if that shows whether it did its work.
        unix: whether the server listens at a Unix socket.
        offer: what a peer must offer to take part, if not ``operation``.
        settings: of both of our processes, as environment variables.
    """

    title: str
    unit: str
    amount: float
    operation: str
    threads: int = 1
    processes: int = 1
    size: int = 0
    answer: object = None
    unix: bool = False
    offer: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    def suits(self, offers: frozenset[str]) -> bool:
        """Tell whether a peer that offers so much can do the work."""
        return (self.offer or self.operation) in offers and (
            not self.unix or "unix" in offers
        )


MEASURES: Final[dict[str, Measure]] = {
    "sequential": Measure("Sequential calls", "calls/s", 1, "call"),
    "unix": Measure("Sequential calls, Unix socket", "calls/s", 1, "call", unix=True),
    "threads4": Measure(
        "4 client threads, own connections", "calls/s", 1, "call", threads=4
    ),
    "threads": Measure(
        "16 client threads, own connections", "calls/s", 1, "call", threads=16
    ),
    "processes": Measure(
        "4 client processes, own connections", "calls/s", 1, "call", processes=4
    ),
    "connect": Measure("Connecting, one call, closing", "times/s", 1, "connect"),
    "records": Measure(
        *("List of 100 records, echo", "calls/s", 1, "records"), answer=RECORDS
    ),
    "batch": Measure(
        f"Batches of {BATCH_SIZE:,} calls",
        *("calls/s", BATCH_SIZE, "batch"),
        answer=[5] * BATCH_SIZE,
    ),
    "stream": Measure(
        f"Streams of {STREAM_SIZE:,} items",
        *("items/s", STREAM_SIZE, "stream"),
        answer=sum(range(STREAM_SIZE)),
    ),
    "items": Measure(
        f"Streams of {STREAM_SIZE:,} items, each asked for by a call",
        *("items/s", STREAM_SIZE, "stream"),
        answer=sum(range(STREAM_SIZE)),
        offer="items",
        settings={"PYRO_STREAM_READ_AHEAD": "0"},
    ),
    "together": Measure(
        f"{IN_FLIGHT:,} calls at once on one connection (Pyro: one by one)",
        *("calls/s", IN_FLIGHT, "together"),
        answer=[5] * IN_FLIGHT,
    ),
    "oneway": Measure(
        "Oneway calls, until they are executed",
        *("calls/s", ONEWAY_SIZE, "oneway"),
        answer=ONEWAY_SIZE,
    ),
    "upload1": Measure(
        "1 MiB of bytes, upload", "MB/s", MEBIBYTE / 1e6, "upload", size=MEBIBYTE
    ),
    "download1": Measure(
        "1 MiB of bytes, download", "MB/s", MEBIBYTE / 1e6, "download", size=MEBIBYTE
    ),
    "upload": Measure(
        *("32 MiB of bytes, upload", "MB/s", PAYLOAD_SIZE / 1e6, "upload"),
        size=PAYLOAD_SIZE,
    ),
    "download": Measure(
        *("32 MiB of bytes, download", "MB/s", PAYLOAD_SIZE / 1e6, "download"),
        size=PAYLOAD_SIZE,
    ),
    "array": Measure(
        "numpy array of 32 MiB, echo",
        *("MB/s", 2 * PAYLOAD_SIZE / 1e6, "array"),
        answer=PAYLOAD_SIZE,
    ),
}
