"""What the demo's client does with the weather station, one step after the other."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from pyro_client import BatchProxy, Proxy, locate_ns, resolve
from pyro_protocol.errors import get_pyro_traceback

from .recording import RECORDING
from .report import StepError, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .instrument import Statistics
    from .recording import Reading
    from .report import Report, Step

__all__ = ["STATION_NAME", "STATION_TAGS", "Tour"]

STATION_NAME = "example.weatherstation"
STATION_TAGS = ("kind:instrument", "place:seattle")

# Four years, of which one is a leap year.
DAYS = 1461

# Above this a gateway that hangs would make the demo look stuck.
HTTP_TIMEOUT_SECONDS = 10.0


class Tour:
    """A client of the weather station.

    Args:
        report: Where the steps are printed.
        name_server: Host and port of the name server, as ``host:port``.
        gateway_url: The gateway's address, up to and with ``/pyro/``.
    """

    def __init__(self, report: Report, name_server: str, gateway_url: str) -> None:
        self._report = report
        self._name_server = name_server
        self._gateway_url = gateway_url

    def run(self) -> None:
        """Take the steps in turn, up to the first that fails."""
        name = f"PYRONAME:{STATION_NAME}@{self._name_server}"
        with Proxy(name) as station:
            for title, visit in (
                ("Lookup by name", self._look_up_by_name),
                ("Read properties", self._read_properties),
                ("Write a property", self._write_a_property),
                ("Keyword arguments", self._keyword_arguments),
                ("Stream the recording", self._stream),
                ("Raw bytes", self._raw_bytes),
                ("Remote exception", self._remote_exception),
                ("Oneway call", self._oneway),
                ("Batch", self._batch),
                ("Lookup by metadata", self._metadata),
                ("Call through HTTP", self._http),
            ):
                with self._report.step(title) as step:
                    visit(step, station)
                if not self._report.passed:
                    break

    def _look_up_by_name(self, step: Step, station: Proxy) -> None:
        name = f"PYRONAME:{STATION_NAME}"
        uri = step.call(
            f'resolve("{name}")', lambda: resolve(f"{name}@{self._name_server}"), str
        )
        step.check("the name leads to an address", holds=uri.protocol == "PYRO")
        step.call(
            f'with Proxy("{name}") as station: station.model', lambda: station.model
        )
        step.conclude(f"{STATION_NAME} found and connected")

    def _read_properties(self, step: Step, station: Proxy) -> None:
        model = step.call("station.model", lambda: station.model)
        first = step.call("station.first_day", lambda: station.first_day)
        last = step.call("station.last_day", lambda: station.last_day)
        step.check(
            "dates arrive as dates",
            holds=(first, last) == (date(2012, 1, 1), date(2015, 12, 31)),
        )
        step.conclude(model)

    def _write_a_property(self, step: Step, station: Proxy) -> None:
        hottest = date(2014, 8, 11)

        def temperature() -> float:
            reading: Reading = station.reading(hottest)
            return reading["temp_max"]

        def set_unit(unit: str) -> None:
            station.temperature_unit = unit

        celsius = step.call('station.reading(hottest)["temp_max"]', temperature)
        step.call('station.temperature_unit = "F"', lambda: set_unit("F"), lambda _: "")
        fahrenheit = step.call('station.reading(hottest)["temp_max"]', temperature)
        step.call('station.temperature_unit = "C"', lambda: set_unit("C"), lambda _: "")
        step.check(
            "the setting changed what the instrument measures",
            holds=(celsius, fahrenheit) == (35.6, 96.1),
        )
        step.conclude(f"{celsius} C is {fahrenheit} F")

    def _keyword_arguments(self, step: Step, station: Proxy) -> None:
        august: Statistics = step.call(
            'station.statistics("temp_max", start=august_1, end=august_31)',
            lambda: station.statistics(
                "temp_max", start=date(2014, 8, 1), end=date(2014, 8, 31)
            ),
        )
        step.check(
            "31 days counted, the hottest of the recording among them",
            holds=(august["days"], august["maximum"]) == (31, 35.6),
        )
        step.conclude(f"mean of August 2014: {august['mean']} C")

    def _stream(self, step: Step, station: Proxy) -> None:
        readings: list[Reading] = step.call(
            "for reading in station.recording(): ...",
            lambda: list(station.recording()),
            lambda items: f"{len(items)} readings, the last one: {items[-1]}",
        )
        server_side: Statistics = step.call(
            'station.statistics("precipitation")',
            lambda: station.statistics("precipitation"),
        )
        rain = [reading["precipitation"] for reading in readings]
        step.check(
            "every day has arrived", holds=len(readings) == server_side["days"] == DAYS
        )
        step.check(
            "statistics of the stream equal those made at the instrument",
            holds=(min(rain), max(rain), round(sum(rain) / len(rain), 3))
            == (server_side["minimum"], server_side["maximum"], server_side["mean"]),
        )
        step.conclude(f"{len(readings)} readings, one by one")

    def _raw_bytes(self, step: Step, station: Proxy) -> None:
        raw: bytes = step.call(
            "raw = station.raw_recording()",
            station.raw_recording,
            lambda value: f"{type(value).__name__}: {repr(value)[:60]}...",
        )
        step.check("bytes arrive as bytes", holds=type(raw) is bytes)
        digest = hashlib.sha256(raw).hexdigest()
        step.check(
            f"SHA-256 as that of the file, {digest[:16]}...",
            holds=digest == hashlib.sha256(RECORDING.read_bytes()).hexdigest(),
        )
        step.conclude(f"{len(raw)} bytes, checksum right")

    def _remote_exception(self, step: Step, station: Proxy) -> None:
        def fail() -> Exception:
            try:
                station.reading("1999-12-31")
            except LookupError as error:
                return error
            raise StepError("a day before the recording has a reading")

        error = step.call('station.reading("1999-12-31")', fail)
        step.check(
            "it is the class raised over there", holds=type(error) is LookupError
        )
        text = "".join(get_pyro_traceback(error))
        step.quote(text)
        step.check(
            "the traceback shows the line in the other process",
            holds="instrument.py" in text and "_position" in text,
        )
        after = step.call("station.model", lambda: station.model)
        step.check("the connection is as good as before", holds=bool(after))
        step.conclude("LookupError with its remote traceback")

    def _oneway(self, step: Step, station: Proxy) -> None:
        needed: float = step.call(
            "station.self_test_seconds", lambda: station.self_test_seconds
        )
        before: int = step.call(
            "station.completed_self_tests()", station.completed_self_tests
        )
        step.call("station.self_test()", station.self_test)
        seconds = step.last_call_seconds
        step.check(
            f"no waiting for a test that takes {duration(needed)}",
            holds=seconds < needed / 2,
        )
        after: int = step.call(
            f"station.completed_self_tests(wait_for={before + 1})",
            lambda: station.completed_self_tests(wait_for=before + 1),
        )
        step.check("the test was run all the same", holds=after == before + 1)
        step.conclude(f"returned after {duration(seconds)}")

    def _batch(self, step: Step, station: Proxy) -> None:
        months = [
            (date(2015, month, 1), date(2015, month, 28)) for month in range(1, 13)
        ]

        def one_by_one() -> list[Statistics]:
            return [
                station.statistics("wind", start=start, end=end)
                for start, end in months
            ]

        def together() -> list[Statistics]:
            batch = BatchProxy(station)
            for start, end in months:
                batch.statistics("wind", start=start, end=end)
            return list(batch())

        single = step.call("12 calls, one by one", one_by_one, lambda _: "")
        single_seconds = step.last_call_seconds
        batched = step.call("the same 12 calls in a batch", together, lambda _: "")
        step.check("the same 12 results, in the same order", holds=batched == single)
        step.conclude(
            f"12 calls: {duration(step.last_call_seconds)} "
            f"instead of {duration(single_seconds)}"
        )

    def _metadata(self, step: Step, station: Proxy) -> None:
        host, _, port = self._name_server.rpartition(":")

        def search(tags: Sequence[str]) -> dict[str, Any]:
            with locate_ns(host, int(port)) as name_server:
                found: dict[str, Any] = name_server.yplookup(meta_all=tags)
                return found

        found = step.call(
            f"locate_ns().yplookup(meta_all={list(STATION_TAGS)})",
            lambda: search(STATION_TAGS),
        )
        step.check("the tags lead to the station", holds=list(found) == [STATION_NAME])
        elsewhere = step.call(
            f"locate_ns().yplookup(meta_all={[STATION_TAGS[0], 'place:paris']})",
            lambda: search([STATION_TAGS[0], "place:paris"]),
        )
        step.check("other tags do not", holds=not elsewhere)
        meta = f"PYROMETA:{','.join(STATION_TAGS)}"

        def model_of_any() -> str:
            with Proxy(f"{meta}@{self._name_server}") as any_station:
                model: str = any_station.model
                return model

        model = step.call(f'Proxy("{meta}").model', model_of_any)
        step.check("a proxy made from tags reaches it", holds=model == station.model)
        step.conclude(" and ".join(STATION_TAGS))

    def _http(self, step: Step, station: Proxy) -> None:
        query = urlencode({"column": "precipitation", "start": "2015-01-01"})
        url = f"{self._gateway_url}{STATION_NAME}/statistics?{query}"
        # Proxy settings of the environment are not meant for the loopback interface.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def get() -> tuple[int, str, bytes]:
            with opener.open(url, timeout=HTTP_TIMEOUT_SECONDS) as response:
                return (
                    response.status,
                    response.headers.get_content_type(),
                    response.read(),
                )

        status, content_type, body = step.call(
            f"GET {url}",
            get,
            lambda answer: f"{answer[0]} {answer[1]}: {answer[2].decode()}",
        )
        step.check(
            "JSON came back", holds=(status, content_type) == (200, "application/json")
        )
        step.check(
            "the gateway's answer equals the direct one",
            holds=json.loads(body)
            == station.statistics("precipitation", start=date(2015, 1, 1)),
        )
        step.conclude(f"GET .../{STATION_NAME}/statistics, {status}")
