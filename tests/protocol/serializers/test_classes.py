from __future__ import annotations

import collections.abc
import enum
from typing import Any

import pytest
from msgpack import ExtType, packb

from pyro_protocol.errors import SecurityError, SerializeError
from pyro_protocol.serializers import (
    Serializer,
    register_class_to_dict,
    register_dict_to_class,
    serializers,
    unregister_class_to_dict,
    unregister_dict_to_class,
)
from pyro_protocol.serializers.classes import (
    ReferenceState,
    recreate,
    set_reference_hooks,
)
from pyro_protocol.uri import URI

EVERY = list(serializers.values())
every = pytest.mark.parametrize("serializer", EVERY, ids=lambda one: one.name)
# These read a dictionary with a class as an object; native tells the two apart.
by_key = pytest.mark.parametrize(
    "serializer",
    [one for one in EVERY if one.name != "native"],
    ids=lambda one: one.name,
)


CALLABLE: Any = collections.abc.Callable


class Animal:
    def __init__(self, name: str = "") -> None:
        self.name = name


class Dog(Animal):
    pass


class Puppy(Dog):
    pass


class Slotted(Animal):
    __slots__ = ("__hidden", "legs")

    def __init__(self) -> None:
        super().__init__("s")
        self.legs = 4
        self.__hidden = 1


class Referred:
    pass


STATE: ReferenceState = (
    "PYRO:o@h:1",
    {"one"},
    ["two", "three"],
    (),
    {"a": [1]},
    "json",
)


@pytest.fixture
def received() -> list[ReferenceState]:
    """Make `Referred` travel as a reference, and keep the states that arrive."""
    states: list[ReferenceState] = []

    def encode(obj: object) -> ReferenceState | None:
        return STATE if isinstance(obj, Referred) else None

    def decode(state: ReferenceState) -> object:
        states.append(state)
        return "a proxy"

    set_reference_hooks(encode=encode, decode=decode)
    return states


def convert(name: str) -> Any:
    return lambda obj: {"__class__": name, "name": obj.name}


def arrives(serializer: Serializer, value: object) -> Any:
    return serializer.loads(serializer.dumps(value))


def as_tuple(name: str, data: dict[str, Any]) -> object:
    return name, data["name"]


@every
@pytest.mark.parametrize("order", [[Animal, Dog], [Dog, Animal]])
def test_the_converter_of_the_most_specific_class_wins(
    serializer: Serializer, order: list[type]
) -> None:
    for kind in order:
        register_class_to_dict(kind, convert(f"tests.{kind.__name__}"))
        register_dict_to_class(f"tests.{kind.__name__}", as_tuple)
    animals = [Animal("a"), Dog("d"), Puppy("p")]
    assert arrives(serializer, animals) == [
        ("tests.Animal", "a"),
        ("tests.Dog", "d"),
        ("tests.Dog", "p"),
    ]


def test_a_converter_of_an_abstract_class_covers_what_is_registered_with_it() -> None:
    register_class_to_dict(collections.abc.Hashable, lambda _: {"is": "hashable"})
    register_class_to_dict(CALLABLE, lambda _: {"is": "callable"})

    class Called:
        __hash__ = None  # type: ignore[assignment]  # only its calls count

        def __call__(self) -> None: ...

    assert arrives(serializers["json"], Called()) == {"is": "callable"}
    assert arrives(serializers["json"], Animal()) == {"is": "hashable"}


@every
def test_a_converter_goes_before_the_forms_of_the_serializer(
    serializer: Serializer,
) -> None:
    class Colour(enum.Enum):
        RED = 1

    register_class_to_dict(Colour, lambda one: {"colour": one.name})
    register_class_to_dict(complex, lambda one: {"real": one.real})
    assert arrives(serializer, [Colour.RED]) == [{"colour": "RED"}]
    if serializer.name in {"json", "native"}:
        assert arrives(serializer, [1j]) == [{"real": 0.0}]


def test_a_converter_can_leave_serpent_alone() -> None:
    register_class_to_dict(Animal, convert("tests.Animal"), serpent_too=False)
    register_dict_to_class("tests.Animal", as_tuple)
    assert arrives(serializers["json"], Dog("d")) == ("tests.Animal", "d")
    with pytest.raises(SerializeError, match=r"unsupported serialized class: .*\.Dog"):
        arrives(serializers["serpent"], Dog("d"))


@every
def test_what_is_unregistered_is_forgotten(serializer: Serializer) -> None:
    register_class_to_dict(Animal, convert("tests.Animal"))
    register_dict_to_class("tests.Animal", as_tuple)
    assert arrives(serializer, Animal("a")) == ("tests.Animal", "a")
    data = serializer.dumps(Animal("a"))
    unregister_dict_to_class("tests.Animal")
    with pytest.raises(SerializeError, match=r"class: tests\.Animal"):
        serializer.loads(data)
    unregister_class_to_dict(Animal)
    with pytest.raises(SerializeError, match=r"class: .*test_classes\.Animal"):
        arrives(serializer, Animal("a"))
    unregister_class_to_dict(Animal)
    unregister_dict_to_class("tests.Animal")


def test_only_a_class_can_have_a_converter() -> None:
    with pytest.raises(TypeError, match="registered for a class"):
        register_class_to_dict("Animal", dict)  # type: ignore[arg-type]  # the point


@every
def test_a_converter_must_return_a_dictionary(serializer: Serializer) -> None:
    register_class_to_dict(Animal, lambda _: [1])  # type: ignore[arg-type,return-value]  # the point
    with pytest.raises(SerializeError, match="must return a dict, not list"):
        serializer.dumps([Animal()])


@pytest.mark.parametrize("name", ["serpent", "json", "marshal"])
def test_text_formats_give_a_converter_what_is_inside_as_it_came(name: str) -> None:
    register_dict_to_class("tests.Outer", lambda _, data: data["inner"])
    inner = {"__class__": "tests.Inner"}
    value = [{"__class__": "tests.Outer", "inner": inner}]
    assert arrives(serializers[name], value) == [inner]


@pytest.mark.parametrize("name", ["msgpack", "native"])
def test_binary_formats_give_a_converter_objects(name: str) -> None:
    register_class_to_dict(Animal, lambda one: {"__class__": one.name, "in": one.inner})
    register_dict_to_class("tests.Outer", lambda _, data: ("outer", data["in"]))
    register_dict_to_class("tests.Inner", lambda _, data: ("inner", data["in"]))
    outer, inner = Animal("tests.Outer"), Animal("tests.Inner")
    vars(outer)["inner"], vars(inner)["inner"] = inner, None
    assert arrives(serializers[name], outer) == ("outer", ("inner", None))


@every
@pytest.mark.parametrize("name", ["__main__.Evil", "a.__b", "os.system__"])
def test_a_class_with_double_underscores_needs_a_converter(
    serializer: Serializer, name: str
) -> None:
    register_class_to_dict(Animal, convert(name))
    data = serializer.dumps([Animal("a")])
    with pytest.raises(SecurityError, match="double underscores"):
        serializer.loads(data)
    register_dict_to_class(name, as_tuple)
    assert serializer.loads(data) == [(name, "a")]


@every
@pytest.mark.parametrize(
    "name",
    [
        "subprocess.Popen",
        "builtins.eval",
        "Pyro5.server.Daemon",
        "Pyro5.util.SerpentSerializer",
        "Pyro5.util.MarshalSerializer",
        "Pyro5.core.Daemon",
        "pyro_protocol.uri.URI",
        "",
        "x" * 100_000,
    ],
)
def test_no_other_class_is_ever_built(serializer: Serializer, name: str) -> None:
    register_class_to_dict(Animal, lambda _: {"__class__": name, "state": ()})
    with pytest.raises(
        SerializeError, match="unsupported serialized class: "
    ) as caught:
        arrives(serializer, {"a": Animal()})
    assert len(str(caught.value)) < 300


@by_key
@pytest.mark.parametrize("name", [None, 5, ["URI"], {"a": 1}, 1.5])
def test_a_class_that_is_not_text_is_refused(
    serializer: Serializer, name: object
) -> None:
    with pytest.raises(SerializeError):
        arrives(serializer, {"__class__": name})


def test_the_name_of_a_class_may_be_bytes() -> None:
    data = serializers["msgpack"].dumps(
        {"__class__": b"Pyro5.core.URI", "state": ["PYRO", "o", None, "h", 1]}
    )
    assert serializers["msgpack"].loads(data) == URI("PYRO:o@h:1")


@every
def test_slots_and_variables_both_travel(serializer: Serializer) -> None:
    register_dict_to_class(f"{__name__}.Slotted", lambda _, data: data)
    data = arrives(serializer, Slotted())
    del data["__class__"]
    assert data == {"name": "s", "legs": 4, "_Slotted__hidden": 1}


@every
@pytest.mark.parametrize(
    "uri",
    [
        "PYRO:o@h:1",
        "PYRO:o@[::1]:1",
        "PYRO:o@./u:/tmp/s",
        "PYRONAME:n",
        "PYRONAME:n@h:1",
        "PYROMETA:a,b",
        "PYROMETA:b,a@h:1",
    ],
)
def test_uris_travel_anywhere_in_a_value(serializer: Serializer, uri: str) -> None:
    value = {"a": [URI(uri)], "error": [ValueError(URI(uri))]}
    result = arrives(serializer, value)
    assert result["a"] == [URI(uri)]
    assert result["error"][0].args == (URI(uri),)


BAD_URI_STATES: list[object] = [
    None,
    5,
    [],
    ["PYRO", "o", None, "h"],
    ["PYRO", "o", None, "h", 1, 2],
    ["PYRO", "o", None, "h", "1"],
    ["PYRO", "o", None, "h", True],
    ["PYRO", "o", None, "h", 99999],
    ["PYRO", "o", None, None, None],
    ["PYRO", 5, None, "h", 1],
    ["HTTP", "o", None, "h", 1],
    [["PYRO"], "o", None, "h", 1],
    ["PYROMETA", [], None, "h", 1],
    ["PYROMETA", [5], None, "h", 1],
]


@by_key
@pytest.mark.parametrize("state", BAD_URI_STATES)
def test_a_uri_of_nonsense_is_refused(serializer: Serializer, state: object) -> None:
    with pytest.raises(SerializeError, match="malformed URI"):
        arrives(serializer, {"__class__": "Pyro5.core.URI", "state": state})


@every
def test_references_travel_anywhere_in_a_value(
    serializer: Serializer, received: list[ReferenceState]
) -> None:
    value = {"a": [Referred()], "error": ValueError(Referred())}
    result = arrives(serializer, value)
    assert result["a"] == ["a proxy"]
    assert result["error"].args == ("a proxy",)
    names = frozenset({"one"}), frozenset({"two", "three"}), frozenset[str]()
    assert received == [("PYRO:o@h:1", *names, {"a": [1]}, "json")] * 2


@every
def test_the_names_in_a_reference_are_in_order(
    serializer: Serializer, received: list[ReferenceState]
) -> None:
    register_dict_to_class("Pyro5.client.Proxy", lambda _, data: data["state"])
    assert list(arrives(serializer, Referred())[2]) == ["three", "two"]


@every
def test_a_converter_goes_before_a_reference(
    serializer: Serializer, received: list[ReferenceState]
) -> None:
    register_class_to_dict(Referred, lambda _: {"converted": True})
    assert arrives(serializer, [Referred()]) == [{"converted": True}]


@by_key
def test_the_reference_of_pyrolite_has_one_field_more(
    serializer: Serializer, received: list[ReferenceState]
) -> None:
    state: list[object] = ["PYRO:o@h:1", [], [], [], "hello", None, "hmac"]
    data = {"__class__": "Pyro5.client.Proxy", "state": state}
    assert arrives(serializer, data) == "a proxy"
    nothing = frozenset[str]()
    assert received == [("PYRO:o@h:1", nothing, nothing, nothing, "hello", None)]


def test_a_reference_with_one_field_more_is_read_in_the_native_format_too(
    received: list[ReferenceState],
) -> None:
    state: list[object] = ["PYRO:o@h:1", [], [], [], "hello", None, "hmac"]
    data = {"__class__": "Pyro5.client.Proxy", "state": state}
    assert serializers["native"].loads(packb([ExtType(1, b"C"), data])) == "a proxy"
    assert received[0][0] == "PYRO:o@h:1"


BAD_REFERENCE_STATES: list[object] = [
    None,
    [],
    ["PYRO:o@h:1", [], [], [], "hello"],
    ["PYRO:o@h:1", [], [], [], "hello", None, 1, 2],
    ["nonsense", [], [], [], "hello", None],
    [5, [], [], [], "hello", None],
    ["PYRO:o@h:1", "names", [], [], "hello", None],
    ["PYRO:o@h:1", [], [5], [], "hello", None],
    ["PYRO:o@h:1", [], [], None, "hello", None],
    ["PYRO:o@h:1", [], [], [], "hello", 5],
]


@by_key
@pytest.mark.parametrize("state", BAD_REFERENCE_STATES)
def test_a_reference_of_nonsense_is_refused(
    serializer: Serializer, state: object, received: list[ReferenceState]
) -> None:
    with pytest.raises(SerializeError, match="malformed reference"):
        arrives(serializer, {"__class__": "Pyro5.client.Proxy", "state": state})
    assert received == []


def test_without_a_layer_that_makes_proxies_a_reference_is_refused() -> None:
    from pyro_protocol.serializers import wire_classes

    set_reference_hooks(
        encode=wire_classes._no_reference, decode=wire_classes._no_factory
    )
    state: list[object] = ["PYRO:o@h:1", [], [], [], "hello", None]
    with pytest.raises(SerializeError, match="nothing here makes proxies"):
        arrives(
            serializers["json"], {"__class__": "Pyro5.client.Proxy", "state": state}
        )


def test_shared_parts_are_dealt_with_once() -> None:
    shared: object = {
        "__class__": "Pyro5.core.URI",
        "state": ("PYRO", "o", None, "h", 1),
    }
    for _ in range(100):
        shared = [shared, (shared, shared)]
    value = recreate(shared, done={})
    for _ in range(100):
        value = value[1][0]
    assert value == URI("PYRO:o@h:1")


def test_a_value_that_contains_itself_is_dealt_with_once() -> None:
    value: list[Any] = [
        {"__class__": "Pyro5.core.URI", "state": ("PYRO", "o", None, "h", 1)}
    ]
    value.append(value)
    recreate(value, done={})
    assert value[0] == URI("PYRO:o@h:1")
    assert value[1] is value
