"""pickle, cloudpickle and dill as serializers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from fractions import Fraction
from typing import Any

import pytest

from pyro_protocol import URI
from pyro_protocol.errors import PyroError, SerializeError
from pyro_protocol.references import ProxyState, add_reference_provider
from pyro_protocol.serializers import ExceptionWrapper, Serializer
from pyro_protocol.serializers.opt_in import PICKLED_IDS, opted_in


@pytest.fixture(params=PICKLED_IDS)
def serializer(request: pytest.FixtureRequest) -> Serializer:
    pytest.importorskip(request.param)
    return opted_in(request.param)


class Point:
    def __init__(self, x: int) -> None:
        self.x = x
        self.itself = self


class DemandingError(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class Registered:
    pass


class Provider:
    """Knows one object by reference."""

    def __init__(self, obj: object) -> None:
        self.obj = obj

    def reference_of(self, obj: object) -> ProxyState | None:
        state = ProxyState("PYRO:it@localhost:1", methods=frozenset({"m"}))
        return state if obj is self.obj else None


def arrives(serializer: Serializer, value: Any) -> Any:
    return serializer.loads(memoryview(serializer.dumps(value)))


def test_any_value_arrives_as_it_was(serializer: Serializer) -> None:
    value = {(1, 2): [Fraction(1, 3), {b"x"}, bytearray(b"y"), 1j, None, range(3)]}

    assert arrives(serializer, value) == value


def test_objects_of_any_class_arrive_even_if_they_contain_themselves(
    serializer: Serializer,
) -> None:
    point = arrives(serializer, Point(3))

    assert type(point) is Point
    assert point.x == 3
    assert point.itself is point


def test_a_call_keeps_its_four_parts(serializer: Serializer) -> None:
    data = serializer.dumps_call("o", "m", [Fraction(1)], {"k": {1}})
    assert serializer.loads_call(data) == ("o", "m", (Fraction(1),), {"k": {1}})
    data = serializer.dumps_call("o", "m", ("name",), None)
    assert serializer.loads_call(data) == ("o", "m", ("name",), None)


def test_data_that_is_no_call_is_refused(serializer: Serializer) -> None:
    with pytest.raises(SerializeError, match="malformed call"):
        serializer.loads_call(serializer.dumps(["o", "m"]))


@pytest.mark.parametrize("data", [b"", b"\x80", b"no pickle", b"\x80\x05K\x01"])
def test_malformed_data_is_a_serialization_error(
    serializer: Serializer, data: bytes
) -> None:
    with pytest.raises(SerializeError, match=f"malformed {serializer.name} data"):
        serializer.loads(data)


class Quitting:
    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, ()


def test_data_that_ends_the_program_is_a_serialization_error(
    serializer: Serializer,
) -> None:
    with pytest.raises(SerializeError, match="SystemExit"):
        serializer.loads(pickle.dumps(Quitting()))


def test_a_value_that_cannot_travel_is_a_serialization_error(
    serializer: Serializer,
) -> None:
    with pytest.raises(SerializeError, match=f"generator with {serializer.name}"):
        serializer.dumps(one for one in (1, 2))


@pytest.mark.parametrize("name", ["cloudpickle", "dill"])
def test_code_travels_where_the_library_sends_it(name: str) -> None:
    pytest.importorskip(name)
    amount = 5

    added = arrives(opted_in(name), lambda number: number + amount)

    assert added(2) == 7


def test_registered_objects_and_proxies_arrive_as_references(
    serializer: Serializer,
) -> None:
    obj = Registered()
    provider = Provider(obj)
    add_reference_provider(provider)
    state = ProxyState("PYRO:other@localhost:1", serializer="json")

    registered, other, proxy = arrives(serializer, [obj, Registered(), state])

    assert str(getattr(registered, "_pyroUri", None) or registered.uri) == (
        "PYRO:it@localhost:1"
    )
    assert type(other) is Registered
    assert proxy._pyro_state_()[0] == "PYRO:other@localhost:1"
    assert proxy._pyro_state_()[5] == "json"


def test_a_registered_class_does_not_turn_its_instances_into_references(
    serializer: Serializer,
) -> None:
    provider = Provider(Registered)
    add_reference_provider(provider)

    assert type(arrives(serializer, Registered())) is Registered


@pytest.mark.parametrize("text", ["PYRO:o@[::1]:4", "PYROMETA:a,b@./u:ns.sock"])
def test_uris_arrive(serializer: Serializer, text: str) -> None:
    assert arrives(serializer, URI(text)) == URI(text)


def test_an_exception_arrives_with_its_cause_context_notes_and_traceback(
    serializer: Serializer,
) -> None:
    sent = OSError(2, "gone", "file.txt")
    sent.__cause__ = sent.__context__ = KeyError("first")
    sent.add_note("a note")
    vars(sent)["_pyroTraceback"] = ["a line\n"]

    error = arrives(serializer, sent)

    assert type(error) is FileNotFoundError
    assert (error.errno, error.filename) == (2, "file.txt")
    assert error.__notes__ == ["a note"]
    assert vars(error)["_pyroTraceback"] == ["a line\n"]
    assert type(error.__cause__) is KeyError
    assert error.__context__ is error.__cause__
    assert error.__suppress_context__


def test_an_exception_with_a_constructor_of_its_own_arrives(
    serializer: Serializer,
) -> None:
    error = arrives(serializer, DemandingError(4, "no"))

    assert type(error) is DemandingError
    assert error.code == 4
    assert str(error) == "4: no"


def test_exceptions_that_lead_to_each_other_arrive(serializer: Serializer) -> None:
    one, other = ValueError(1), PyroError(2)
    one.__cause__, other.__context__ = other, one

    arrived = arrives(serializer, one)

    assert arrived.__cause__.__context__ is arrived


def test_groups_and_batch_results_arrive(serializer: Serializer) -> None:
    group = ExceptionGroup("several", [ValueError(1), DemandingError(2, "x")])

    result = arrives(serializer, [1, ExceptionWrapper(group)])[1].exception

    assert [type(one) for one in result.exceptions] == [ValueError, DemandingError]


def test_pickle_data_of_any_origin_is_read() -> None:
    assert opted_in("pickle").loads(pickle.dumps([1, {"a"}], 2)) == [1, {"a"}]


def test_nothing_of_it_is_imported_before_it_is_chosen() -> None:
    program = (
        "import sys, pyro_protocol.session; "
        "print([n for n in ('cloudpickle', 'dill', 'pyro_protocol.serializers.pickled')"
        " if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert result.stdout == "[]\n"
