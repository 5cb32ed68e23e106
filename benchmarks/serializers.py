"""The serializers beside the libraries they stand on, without any network.

    python benchmarks/serializers.py [--rounds N] [--seconds S] [--only NAMES]

Prints a table for each value as Markdown: how long writing and reading it take with
each serializer, and how many times as long as that is; see the README beside this file.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import marshal
import os
import pickle
import sys
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgpack
import serpent

from options import new_parser
from peers.service import RECORDS
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import SplitPayload
from report import describe_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    _Times = dict[str, list[float]]

__all__ = ["main"]

_OURS: Final = ("native", "msgpack", "serpent", "json", "marshal")
_NATIVE: Final = "native (ours)"
_LIBRARY: Final = "msgpack library"
_COLUMNS: Final = (
    "serializer",
    "bytes",
    "write µs",
    "read µs",
    "write, to msgpack",
    "read, to msgpack",
    "both, to msgpack",
    "both, to native",
)


@dataclass(frozen=True, slots=True)
class _Value:
    """What is written and read.

    Attributes:
        title: what it is called in the report.
        value: the value.
        is_call: whether it is object id, method and arguments of a call.
    """

    title: str
    value: Any
    is_call: bool = False


@dataclass(frozen=True, slots=True)
class _Contestant:
    """One serializer with one value.

    Attributes:
        write: writes the value.
        read: reads what was written.
        size: the size of that in bytes.
    """

    write: Callable[[], Any]
    read: Callable[[], Any]
    size: int


def _values() -> dict[str, _Value]:
    """Return the values by name; numpy's only where there is numpy."""
    values = {
        "call": _Value(
            "a tiny call: add(2, 3)", ("object", "add", [2, 3], {}), is_call=True
        ),
        "records": _Value("a list of 100 records", RECORDS),
        "bytes": _Value("1 MiB of bytes", os.urandom(1 << 20)),
    }
    if importlib.util.find_spec("numpy") is not None:
        numpy = importlib.import_module("numpy")
        array = numpy.random.default_rng(1).random(1 << 17)
        values["numpy"] = _Value("a numpy array of 1 MiB", array)
    return values


def _contestants(value: _Value) -> dict[str, _Contestant]:
    """Return the serializers that can write the value and read it again, by title."""
    pairs: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {}
    for name in _OURS:
        own = serializers[name]
        pairs[f"{name} (ours)"] = (
            (partial(_write_call, own.encode_call), own.loads_call)
            if value.is_call
            else (own.encode, own.loads)
        )
    pairs |= {
        _LIBRARY: (msgpack.packb, msgpack.unpackb),
        "serpent library": (serpent.dumps, _serpent_loads),
        "json library": (_json_dumps, json.loads),
        "marshal library": (marshal.dumps, marshal.loads),
        "pickle library": (partial(pickle.dumps, protocol=5), pickle.loads),
    }
    found = {}
    for title, (write, read) in pairs.items():
        try:
            data = _received(write(value.value))
            read(data)
        except Exception as error:  # noqa: BLE001 - not every serializer has every type
            sys.stderr.write(f"{title} cannot do {value.title}: {error}\n")
        else:
            found[title] = _Contestant(
                partial(write, value.value), partial(read, data), len(data)
            )
    return found


def _write_call(encode_call: Callable[..., Any], call: Any) -> Any:
    return encode_call(*call)


def _json_dumps(value: Any) -> bytes:
    return json.dumps(value).encode()


def _serpent_loads(data: bytes) -> Any:
    """Read serpent text and, as its receiver has to, the bytes in it."""
    value = serpent.loads(data)
    if isinstance(value, dict) and value.get("encoding") == "base64":
        return serpent.tobytes(value)
    return value


def _received(data: Any) -> Any:
    """Return a payload as it is when it has been received."""
    if not isinstance(data, SplitPayload):
        return data
    buffers = [
        bytes(one) if memoryview(one).readonly else bytearray(one)
        for one in data.buffers
    ]
    return SplitPayload(bytes(data.head), buffers)


def _microseconds(function: Callable[[], Any], seconds: float) -> float:
    """Return how long one call takes, repeated for so many seconds."""
    gc.collect()
    batch, calls, clock = 1, 0, time.perf_counter
    start = now = clock()
    while now - start < seconds:
        for _ in range(batch):
            function()
        calls += batch
        batch *= 2
        now = clock()
    return 1e6 * (now - start) / calls


def _measure(
    contestants: Mapping[str, _Contestant], rounds: int, seconds: float
) -> tuple[_Times, _Times]:
    """Have everybody write, and read, in turn."""
    written: _Times = {title: [] for title in contestants}
    read: _Times = {title: [] for title in contestants}
    order = deque(contestants.items())
    for _ in range(rounds):
        for title, one in order:
            written[title].append(_microseconds(one.write, seconds))
            read[title].append(_microseconds(one.read, seconds))
        # Whoever comes after a heavy one shall not always be the same.
        order.rotate(-1)
    return written, read


def _table(
    title: str, contestants: Mapping[str, _Contestant], times: tuple[_Times, _Times]
) -> str:
    written, read = times
    both = {
        name: [sum(pair) for pair in zip(written[name], read[name], strict=True)]
        for name in contestants
    }
    lines = [
        f"## {title[0].upper()}{title[1:]}",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "|---|" + "--:|" * (len(_COLUMNS) - 1),
    ]
    for name, one in contestants.items():
        cells = [
            name,
            f"{one.size:,}",
            f"{median(written[name]):,.2f}",
            f"{median(read[name]):,.2f}",
            *(_ratio(figures, name, _LIBRARY) for figures in (written, read, both)),
            _ratio(both, name, _NATIVE),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _ratio(times: _Times, name: str, other: str) -> str:
    """Return how many times as long as another one takes: the rounds' own median."""
    if other not in times:
        return ""
    pairs = zip(times[name], times[other], strict=True)
    return f"{median(one / base for one, base in pairs):.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the tables; return the exit code."""
    values = _values()
    parser = new_parser(
        __doc__, names=list(values), rounds=7, seconds=0.1, json=False, pyro5=False
    )
    options = parser.parse_args(arguments)
    print(
        f"# Serializers\n\n{describe_machine()}; {options.rounds} rounds of"
        f" {options.seconds:g} s for each figure; msgpack"
        f" {'.'.join(map(str, msgpack.version))}, serpent {serpent.__version__}.\n"
    )
    for name in options.only or values:
        contestants = _contestants(values[name])
        times = _measure(contestants, options.rounds, options.seconds)
        print(_table(values[name].title, contestants, times), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
