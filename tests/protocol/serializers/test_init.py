"""What holds for every serializer."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyro_protocol.errors import SecurityError, SerializeError
from pyro_protocol.serializers import (
    Serializer,
    register_class_to_dict,
    register_dict_to_class,
    serializers,
    serializers_by_id,
)

EVERY = list(serializers.values())
# marshal is for trusted peers only: what is malformed may crash Python itself.
SAFE = [one for one in EVERY if one.name != "marshal"]

every = pytest.mark.parametrize("serializer", EVERY, ids=lambda one: one.name)
safe = pytest.mark.parametrize("serializer", SAFE, ids=lambda one: one.name)

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc_ é'\"\\"), inner),
    max_leaves=20,
)


class Thing:
    def __init__(self, **values: Any) -> None:
        vars(self).update(values)


def test_serializers_are_known_by_name_and_by_number() -> None:
    assert {one.name: one.id for one in EVERY} == {
        "serpent": 1,
        "marshal": 2,
        "json": 3,
        "msgpack": 4,
        "native": 78,
    }
    assert all(serializers_by_id[one.id] is one for one in EVERY)


@settings(deadline=None, max_examples=60)
@given(value=plain_values)
def test_plain_values_arrive_as_they_are(value: object) -> None:
    for serializer in EVERY:
        assert serializer.loads(serializer.dumps(value)) == value


@every
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read(serializer: Serializer, kind: Any) -> None:
    data = kind(serializer.dumps({"a": [1, "é"]}))
    assert serializer.loads(data) == {"a": [1, "é"]}
    call = kind(serializer.dumps_call("o", "m", (1,), {"b": 2}))
    object_id, method, args, kwargs = serializer.loads_call(call)
    assert (object_id, method, list(args), kwargs) == ("o", "m", [1], {"b": 2})


@every
@pytest.mark.parametrize("kwargs", [None, {}, {"é": 1}])
def test_a_call_tells_no_keywords_from_an_empty_mapping(
    serializer: Serializer, kwargs: dict[str, object] | None
) -> None:
    data = serializer.dumps_call("o", "m", ("x",), kwargs)
    assert serializer.loads_call(data)[3] == kwargs


@every
def test_objects_in_arguments_and_keywords_are_converted(
    serializer: Serializer,
) -> None:
    register_class_to_dict(
        Thing, lambda thing: {"__class__": "tests.Thing", "x": thing.x}
    )
    register_dict_to_class("tests.Thing", lambda _, data: Thing(x=data["x"]))
    data = serializer.dumps_call(
        "o", "m", [Thing(x=1), [Thing(x=2)]], {"k": {"in": Thing(x=3)}}
    )
    _, _, (first, (second,)), kwargs = serializer.loads_call(data)
    assert kwargs is not None
    assert [first.x, second.x, kwargs["k"]["in"].x] == [1, 2, 3]


NO_CALLS: list[object] = [
    None,
    "four",
    [],
    ["o", "m", []],
    ["o", "m", [], {}, 1],
    [1, "m", [], {}],
    ["o", None, [], {}],
    ["o", "m", "args", {}],
    ["o", "m", {}, {}],
    ["o", "m", [], []],
    ["o", "m", [], {1: 2}],
]


@pytest.mark.parametrize("call", NO_CALLS)
@pytest.mark.parametrize("name", ["serpent", "marshal", "msgpack", "native"])
def test_a_value_that_is_no_call_is_refused(name: str, call: object) -> None:
    serializer = serializers[name]
    with pytest.raises(SerializeError, match="malformed call"):
        serializer.loads_call(serializer.dumps(call))


@every
@pytest.mark.parametrize(
    ("value", "named"),
    [
        (object(), "object"),
        (len, "builtin_function_or_method"),
        (Thing, "type"),
        (random, "module"),
        (Thing(lock=threading.Lock()), "_thread.lock"),
        ([{"a": (iter(()),)}], "tuple_iterator"),
    ],
)
def test_an_object_that_cannot_travel_is_named(
    serializer: Serializer, value: object, named: str
) -> None:
    with pytest.raises(SerializeError, match=f"cannot serialize .*{named} with"):
        serializer.dumps(value)
    with pytest.raises(SerializeError, match=f"cannot serialize .*{named} with"):
        serializer.dumps_call("o", "m", [value], {})


@every
def test_an_object_whose_state_cannot_be_had_is_named(serializer: Serializer) -> None:
    class Secret:
        def __getstate__(self) -> object:
            raise RuntimeError("no state for anybody")

    with pytest.raises(SerializeError, match="Secret with") as caught:
        serializer.dumps([Secret()])
    assert isinstance(caught.value.__cause__, RuntimeError)


@every
def test_a_failing_converter_is_the_cause_of_the_error(serializer: Serializer) -> None:
    def fail(*_: object) -> Any:
        raise LookupError("on purpose")

    register_class_to_dict(Thing, fail)
    with pytest.raises(SerializeError, match="on purpose") as caught:
        serializer.dumps([Thing()])
    assert isinstance(caught.value.__cause__, LookupError)
    register_class_to_dict(Thing, lambda _: {"__class__": "tests.Thing"})
    register_dict_to_class("tests.Thing", fail)
    with pytest.raises(SerializeError, match="on purpose") as caught:
        serializer.loads(serializer.dumps([Thing()]))
    assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.parametrize("name", ["json", "msgpack", "native"])
def test_text_that_utf8_does_not_have_is_refused(name: str) -> None:
    with pytest.raises(SerializeError, match="surrogates not allowed"):
        serializers[name].dumps(["\ud800"])


@every
def test_a_value_that_contains_itself_is_refused(serializer: Serializer) -> None:
    value: list[object] = []
    value.append({"again": value})
    with pytest.raises(SerializeError):
        serializer.dumps(value)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@every
def test_a_hundred_levels_are_fine_and_a_hundred_thousand_refused(
    serializer: Serializer,
) -> None:
    assert serializer.loads(serializer.dumps(nested(100))) == nested(100)
    with pytest.raises(SerializeError):
        serializer.dumps(nested(100_000))


@pytest.mark.parametrize(
    ("name", "bomb"),
    [
        ("json", b"[" * 100_000),
        ("json", b'{"a":' * 100_000),
        ("json", b"[" * 50_000 + b"]" * 50_000),
        ("serpent", b"[" * 100_000),
        ("serpent", b"[" * 50_000 + b"]" * 50_000),
        ("serpent", b"-" * 60_000 + b"1"),
        ("serpent", b"~" * 60_000 + b"1"),
        ("serpent", b"1+" * 30_000 + b"1"),
        ("serpent", b"not " * 10_000 + b"1"),
        ("serpent", b"((((" * 20 + b"'''" + b"))))" * 20),
        ("msgpack", b"\x91" * 100_000),
        ("msgpack", b"\x91" * 100_000 + b"\x01"),
        ("msgpack", b"\x81\xa1a" * 100_000 + b"\x01"),
        ("native", b"\x92\xd4\x01t" * 100_000 + b"\x01"),
        ("native", b"\x92\xd4\x01C\x81\xa1a" * 100_000 + b"\x01"),
        ("native", b"\xdd\x00\x01\x00\x00" * 20_000),
    ],
)
def test_a_bomb_of_levels_is_only_an_error(name: str, bomb: bytes) -> None:
    with pytest.raises(SerializeError):
        serializers[name].loads(bomb)


SAMPLE: dict[str, Any] = {
    "numbers": [0, -1, 2**40, 2**70, 1.5, 1e300],
    "text": ["", "plain", "é € 😀", "quote ' and \" and \\ and \n"],
    "nested": {"a": [[], {}, [None, True, False]]},
    "error": ValueError("x", 1),
    "class": {"__class__": "Pyro5.core.URI", "state": ["PYRO", "o", None, "h", 1]},
}


@safe
def test_every_truncation_is_a_serialize_error(serializer: Serializer) -> None:
    data = serializer.dumps(SAMPLE)
    for size in range(len(data)):
        with pytest.raises(SerializeError):
            serializer.loads(data[:size])


@safe
def test_damage_never_gets_out_as_another_error(serializer: Serializer) -> None:
    chance = random.Random(serializer.name)
    whole = serializer.dumps_call("o", "m", [SAMPLE], {})
    for _ in range(1500):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            position = chance.randrange(len(data))
            data[position] = chance.choice([chance.randrange(256), *whole[:40]])
        try:
            serializer.loads_call(data)
        except (SerializeError, SecurityError):
            continue


@settings(deadline=None, max_examples=60)
@given(data=st.binary(max_size=64))
def test_noise_never_gets_out_as_another_error(data: bytes) -> None:
    for load in [load for one in SAFE for load in (one.loads, one.loads_call)]:
        try:
            load(data)
        except (SerializeError, SecurityError):
            continue


@safe
def test_bytes_after_the_value_are_refused(serializer: Serializer) -> None:
    with pytest.raises(SerializeError):
        serializer.loads(serializer.dumps([1, 2]) + b"\x01")


@safe
def test_nothing_at_all_is_refused(serializer: Serializer) -> None:
    with pytest.raises(SerializeError):
        serializer.loads(b"")
