from __future__ import annotations

import array
import datetime as dt
import functools
import gc
import inspect
import json
import weakref
from collections.abc import (  # noqa: TC003 - what annotations are resolved to
    AsyncIterator,
    Generator,
    Iterable,
    Iterator,
)
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pyro_protocol import expose, oneway
from pyro_protocol.contract import (
    DESCRIPTION_VERSION,
    describe_members,
    members_of,
    reset_members,
    view_of,
)
from pyro_protocol.serializers import serializers

if TYPE_CHECKING:
    from collections.abc import Callable

    from nowhere import Unknown  # type: ignore[import-not-found] # on purpose

HERE = __name__


@dataclass
class Point:
    x: int


def passed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@expose
class Plotter:
    """Draws.

    On paper.
    """

    def draw(  # type: ignore[empty-body,no-untyped-def] # not all is annotated
        self,
        point: Point,
        /,
        speed: float = 1.5,
        *rest: Unknown,
        dry,  # noqa: ANN001 - as above
        since: dt.timedelta = dt.timedelta(0),
        **others: Any,
    ) -> list[Point]:
        """Draw to a point."""

    @passed_on
    def wrapped(self, a: int = 1) -> int:
        """Do it."""
        return a

    @staticmethod
    def static(a: int) -> int:
        return a

    @classmethod
    def klass(cls, a: int) -> int:
        return a

    @functools.lru_cache  # noqa: B019 - kept by the class for the test only
    def cached(self, a: int) -> int:
        return a

    @oneway
    def start(self) -> None: ...

    @property
    def level(self) -> float:
        """How much ink there is."""
        raise AssertionError("was triggered")

    @level.setter
    def level(self, value: float) -> None: ...

    only_set = property(None, lambda _self, _value: None, doc="Set it.")

    @functools.cached_property
    def slow(self) -> Point:
        """It takes its time."""
        raise AssertionError("was triggered")


@expose
class Streams:
    def plain(self) -> Iterable[int]:
        return []

    def generator(self):  # type: ignore[no-untyped-def] # noqa: ANN201 - seen from its code
        yield 1

    async def async_generator(self) -> AsyncIterator[int]:
        yield 1

    def iterator(self) -> Iterator[int]:
        return iter([])

    def typed_generator(self) -> Generator[int, None, None]:
        yield 1

    async def awaited(self) -> int:
        return 1

    async def awaited_stream(self) -> AsyncIterator[int]:
        return self.async_generator()

    @oneway
    async def started(self) -> None: ...

    def __iter__(self) -> Any: ...

    def __len__(self) -> int:
        return 0


def describe(clazz: type) -> dict[str, Any]:
    return describe_members(members_of(clazz), clazz)


def methods_of(description: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in description["methods"]}


def described_view(target: Any, *names: str) -> dict[str, Any]:
    view = view_of(names, None, None)
    assert view is not None
    return describe_members(view.members(type(target), target), type(target))


def test_the_description_says_what_it_is_of() -> None:
    description = describe(Plotter)

    assert description["version"] == DESCRIPTION_VERSION == 1
    assert description["class"] == "Plotter"
    assert description["module"] == HERE
    assert description["doc"] == "Draws.\n\nOn paper."
    assert set(description["types"]) == {f"{HERE}.Point"}


def test_a_method_is_described_with_all_that_a_stub_needs() -> None:
    assert methods_of(describe(Plotter))["draw"] == {
        "name": "draw",
        "kind": "method",
        "async": False,
        "idempotent": False,
        "parameters": [
            {
                "name": "point",
                "kind": "positional_only",
                "annotation": f"{HERE}.Point",
                "required": True,
                "default": None,
            },
            {
                "name": "speed",
                "kind": "positional_or_keyword",
                "annotation": "float",
                "required": False,
                "default": "1.5",
                "value": 1.5,
            },
            {
                "name": "rest",
                "kind": "var_positional",
                "annotation": "Unknown",
                "required": False,
                "default": None,
            },
            {
                "name": "dry",
                "kind": "keyword_only",
                "annotation": None,
                "required": True,
                "default": None,
            },
            {
                "name": "since",
                "kind": "keyword_only",
                "annotation": "datetime.timedelta",
                "required": False,
                "default": "datetime.timedelta(0)",
            },
            {
                "name": "others",
                "kind": "var_keyword",
                "annotation": "typing.Any",
                "required": False,
                "default": None,
            },
        ],
        "returns": f"list[{HERE}.Point]",
        "doc": "Draw to a point.",
    }


@pytest.mark.parametrize("name", ["wrapped", "static", "klass", "cached"])
def test_the_parameters_are_those_that_a_caller_gives(name: str) -> None:
    method = methods_of(describe(Plotter))[name]

    assert [one["name"] for one in method["parameters"]] == ["a"]
    assert method["parameters"][0]["annotation"] == "int"
    assert method["returns"] == "int"


def test_attributes_are_described_without_being_read() -> None:
    assert describe(Plotter)["attributes"] == [
        {
            "name": "level",
            "readable": True,
            "writable": True,
            "annotation": "float",
            "doc": "How much ink there is.",
        },
        {
            "name": "only_set",
            "readable": False,
            "writable": True,
            "annotation": None,
            "doc": "Set it.",
        },
        {
            "name": "slow",
            "readable": True,
            "writable": False,
            "annotation": f"{HERE}.Point",
            "doc": "It takes its time.",
        },
    ]


def test_the_type_of_an_attribute_without_getter_is_what_its_setter_takes() -> None:
    def assign(self: object, value: Point | None) -> None: ...

    clazz = type("Thing", (), {"level": expose(property(None, assign))})

    (attribute,) = describe(clazz)["attributes"]
    assert attribute["annotation"] == f"{HERE}.Point | None"


@pytest.mark.parametrize(
    ("name", "kind", "is_async"),
    [
        ("plain", "method", False),
        ("generator", "stream", False),
        ("async_generator", "stream", True),
        ("iterator", "stream", False),
        ("typed_generator", "stream", False),
        ("awaited", "method", True),
        ("awaited_stream", "stream", True),
        ("started", "oneway", True),
        ("__iter__", "stream", False),
        ("__len__", "method", False),
    ],
)
def test_the_kind_says_what_a_caller_gets(name: str, kind: str, is_async: bool) -> None:
    method = methods_of(describe(Streams))[name]

    assert (method["kind"], method["async"]) == (kind, is_async)


@pytest.mark.parametrize("name", ["json", "serpent", "marshal", "native", "msgpack"])
def test_every_serializer_carries_it(name: str) -> None:
    if name not in serializers:
        pytest.skip("not installed")
    serializer = serializers[name]
    for clazz in (Plotter, Streams):
        description = describe(clazz)
        assert serializer.loads(serializer.dumps(description)) == description


def test_builtin_functions_are_described_as_far_as_they_tell() -> None:
    methods = methods_of(described_view([], "append", "__len__"))

    assert [one["name"] for one in methods["append"]["parameters"]] == ["object"]
    assert methods["append"]["doc"] == inspect.getdoc(list.append)
    assert methods["__len__"]["parameters"] == []

    (fromkeys,) = described_view({}, "fromkeys")["methods"]
    assert [one["name"] for one in fromkeys["parameters"]] == ["iterable", "value"]
    (typecode,) = described_view(array.array("d"), "typecode")["attributes"]
    assert typecode["doc"]


def test_the_parameters_of_a_builtin_function_without_signature_are_not_known() -> None:
    for name in ("__getitem__", "get", "pop", "update", "keys"):
        (method,) = described_view({}, name)["methods"]
        try:
            inspect.signature(getattr(dict, name))
        except ValueError:
            assert method["parameters"] is None
        else:
            assert method["parameters"] is not None


def test_functions_of_modules_and_objects_are_described() -> None:
    (dumps,) = described_view(json, "dumps")["methods"]
    assert dumps["parameters"][0]["name"] == "obj"
    assert dumps["doc"] == inspect.getdoc(json.dumps)

    (method,) = described_view(SimpleNamespace(draw=Plotter().draw), "draw")["methods"]
    assert method["parameters"][0]["name"] == "point"


def test_methods_with_arguments_given_are_described_without_them() -> None:
    class Given:
        def add(self, a: int, b: int) -> int:
            """Add."""
            return a + b

        increment = functools.partialmethod(add, 1)

        @functools.singledispatchmethod
        def show(self, value: int) -> str:
            return str(value)

    methods = methods_of(described_view(Given(), "increment", "show"))

    (parameter,) = methods["increment"]["parameters"]
    assert (parameter["name"], parameter["annotation"]) == ("b", "int")
    assert [one["name"] for one in methods["show"]["parameters"]] == ["value"]
    assert methods["increment"]["returns"] == "int"


def test_values_that_a_class_annotates_have_that_type() -> None:
    class Vendor:
        level: Point
        lost: Unknown
        units = "C"

    described = described_view(Vendor(), "level", "lost", "units")

    assert {one["name"]: one["annotation"] for one in described["attributes"]} == {
        "level": f"{HERE}.Point",
        "lost": "Unknown",
        "units": None,
    }


def test_an_interface_is_what_is_described() -> None:
    class Interface(Protocol):
        """A meter."""

        level: float

        def read(self, channel: int = 1) -> float:
            """Read it."""
            ...

    class Vendor:
        level = 1.0

        def read(self, *args: object) -> None:
            """Read it badly."""

    view = view_of(None, None, Interface)
    assert view is not None
    described = describe_members(view.members(Vendor), Interface)

    assert described["doc"] == "A meter."
    (method,) = described["methods"]
    assert method["doc"] == "Read it."
    assert method["parameters"][0]["value"] == 1
    (attribute,) = described["attributes"]
    assert attribute["annotation"] == "float"


def test_objects_that_can_be_called_are_not_asked_anything() -> None:
    class Trap:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

        def __call__(self) -> None: ...

    (method,) = described_view(SimpleNamespace(run=Trap()), "run")["methods"]

    assert method["parameters"] is None
    assert method["doc"] is None


def test_a_function_that_lies_about_itself_is_described_all_the_same() -> None:
    class Liar:
        @expose
        def method(self) -> None: ...

        @expose
        def looped(self) -> None: ...

    def loop(liar: Any) -> None:
        liar.method.__signature__ = 5
        liar.method.__doc__ = 5
        liar.method.__annotations__ = {"return": object()}
        liar.looped.__wrapped__ = liar.looped

    loop(Liar)
    methods = methods_of(describe(Liar))

    assert methods["method"]["parameters"] is None
    assert methods["method"]["doc"] is None
    assert methods["looped"]["parameters"] is None


def test_a_description_is_made_once_until_the_class_is_reset() -> None:
    class Changing:
        @expose
        def method(self) -> None: ...

    before = describe(Changing)
    assert describe(Changing) is before

    reset_members(Changing)

    assert describe(Changing) is not before
    assert describe(Changing) == before


def test_a_description_keeps_nothing_alive() -> None:
    def make() -> weakref.ref[type]:
        class Short:
            @expose
            def method(self, point: Point) -> None: ...

        describe(Short)
        return weakref.ref(Short)

    gone = make()
    gc.collect()

    assert gone() is None
