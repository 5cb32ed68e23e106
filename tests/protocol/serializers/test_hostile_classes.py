"""What a peer can have built by naming classes: nothing but what is allowed."""

from __future__ import annotations

import contextlib
import json
import marshal
import sys
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
from msgpack import ExtType

from fuzz.values import check_value
from pyro_protocol.errors import PyroError
from pyro_protocol.serializers import serializers, wire_classes
from pyro_protocol.serializers.allowed import allowed_class

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONSTRUCTORS = frozenset(
    {"__init__", "__init_subclass__", "__new__", "__post_init__", "__setstate__"}
)
# What Pyro5 sends, and never should have built.
OF_PYRO5 = (
    "Pyro5.server.Daemon",
    "Pyro5.core.DaemonObject",
    "Pyro5.serializers.SerpentSerializer",
    "Pyro5.util.MarshalSerializer",
)


MOST_NAMES = 1000
"""How many of the classes that have nothing to do with this library are tried."""


def named_classes() -> list[str]:
    """Return the names of classes that this process has loaded.

    All of this library and of Python itself are among them, and of the others as many
    as there is time for.
    """
    near, far = set(OF_PYRO5), set()
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType):
            continue
        for value in list(vars(module).values()):
            if not isinstance(value, type):
                continue
            name = f"{value.__module__}.{value.__qualname__}"
            if name.startswith("builtins."):
                near |= {name, value.__name__}
            elif name.startswith("pyro_"):
                near |= {name, name.replace("pyro_protocol", "Pyro5", 1)}
            else:
                far.add(name)
    return sorted(near) + sorted(far)[:: len(far) // MOST_NAMES + 1]


def mark(letter: str) -> ExtType:
    return ExtType(1, letter.encode())


def native(name: str, form: dict[str, Any]) -> Iterator[bytes]:
    yield msgpack.packb([mark("C"), form])
    fields = {key: value for key, value in form.items() if key != "__class__"}
    yield msgpack.packb([mark("D"), name, fields])
    yield msgpack.packb([mark("N"), name, fields])
    yield msgpack.packb([mark("E"), name, "x", 1])


WRITERS: dict[str, Callable[[str, dict[str, Any]], Iterator[bytes]]] = {
    "native": native,
    "serpent": lambda _name, form: iter([repr(form).encode()]),
    "json": lambda _name, form: iter([json.dumps(form).encode()]),
    "msgpack": lambda _name, form: iter([msgpack.packb(form)]),
    "marshal": lambda _name, form: iter([marshal.dumps(form)]),
}


def forms(name: str) -> Iterator[dict[str, Any]]:
    yield {"__class__": name}
    yield {"__class__": name, "state": ["PYRO:object@localhost:1", [], [], [], 1, None]}
    yield {"__class__": name, "__exception__": True, "args": ["x"], "attributes": {}}
    yield {"__class__": name, "name": "x", "value": 1, "items": [], "data": "AAAA"}


class Constructors:
    """Notes whose constructors run, but for those of exceptions and of this library."""

    def __init__(self) -> None:
        self.run: list[str] = []

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call" or frame.f_code.co_name not in CONSTRUCTORS:
            return
        module = frame.f_globals.get("__name__", "")
        built = frame.f_locals.get("self")
        if not module.startswith("pyro_") and not isinstance(built, Exception):
            self.run.append(f"{module}: {built!r} of {frame.f_locals}")


@pytest.mark.parametrize("serializer", WRITERS)
def test_no_class_whatever_its_name_is_built_that_is_not_allowed(
    serializer: str,
) -> None:
    loads = serializers[serializer].loads
    constructors = Constructors()
    messages = [
        data
        for name in named_classes()
        # Other tests of this process may have allowed theirs.
        if allowed_class(name) is None
        for form in forms(name)
        for data in WRITERS[serializer](name, form)
    ]
    assert len(messages) > 2000
    # Known exceptions may import their module of the standard library once.
    for value in read_all(loads, messages):
        check_value(value)
    profile = sys.getprofile()
    sys.setprofile(constructors)
    try:
        read_all(loads, messages)
    finally:
        sys.setprofile(profile)
    assert constructors.run == []


def read_all(loads: Callable[[bytes], Any], messages: list[bytes]) -> list[Any]:
    values = []
    for data in messages:
        try:
            values.append(loads(data))
        except PyroError:
            continue
    return values


class Trap:
    """Stands where a proxy would: whoever looks into it would use the network."""

    touched: list[str]

    def __init__(self, touched: list[str]) -> None:
        self.touched = touched

    def __getattr__(self, name: str) -> Any:
        self.touched.append(name)
        raise AttributeError(name)

    def __iter__(self) -> Iterator[Any]:
        self.touched.append("iter")
        return iter(())

    def __len__(self) -> int:
        self.touched.append("len")
        return 0

    def __getitem__(self, index: object) -> Any:
        self.touched.append("getitem")
        raise IndexError

    def __contains__(self, item: object) -> bool:
        self.touched.append("contains")
        return False


REFERENCE: dict[str, Any] = {
    "__class__": "Pyro5.client.Proxy",
    "state": ["PYRO:object@localhost:1", [], [], [], "hello", None],
}


def exception(clazz: str, /, *args: object, **attributes: object) -> dict[str, Any]:
    return {
        "__class__": clazz,
        "__exception__": True,
        "args": list(args),
        "attributes": attributes,
    }


PLACES: dict[str, Any] = {
    "value": REFERENCE,
    "items": {"__class__": "collections.OrderedDict", "items": REFERENCE},
    "item": {"__class__": "collections.OrderedDict", "items": [REFERENCE]},
    "float": {"__class__": "float", "value": REFERENCE},
    "complex": {"__class__": "complex", "real": REFERENCE, "imag": REFERENCE},
    "uri": {"__class__": "Pyro5.core.URI", "state": REFERENCE},
    "uri tags": {
        "__class__": "Pyro5.core.URI",
        "state": ["PYROMETA", REFERENCE, None, None, None],
    },
    "reference": {"__class__": "Pyro5.client.Proxy", "state": REFERENCE},
    "names": {
        "__class__": "Pyro5.client.Proxy",
        "state": ["PYRO:object@localhost:1", REFERENCE, [], [], REFERENCE, None],
    },
    "wrapper": {"__class__": "Pyro5.core._ExceptionWrapper", "exception": REFERENCE},
    "args": {**exception("ValueError"), "args": REFERENCE},
    "attributes": {**exception("ValueError"), "attributes": REFERENCE},
    "chain": {**exception("ValueError"), "chain": REFERENCE},
    "link": {**exception("ValueError"), "chain": [REFERENCE]},
    "notes": exception("ValueError", __notes__=REFERENCE),
    "traceback": exception("ValueError", _pyroTraceback=REFERENCE),
    "syntax": exception("SyntaxError", "m", REFERENCE),
    "group": exception("ExceptionGroup", "m", REFERENCE),
    "member": exception("ExceptionGroup", "m", [REFERENCE]),
    "unicode": exception("UnicodeDecodeError", "ascii", REFERENCE, 0, 1, "r"),
    "file": exception("OSError", 2, "no such file", REFERENCE),
    "attribute": exception("AttributeError", "m", name="x", obj=REFERENCE),
    "unknown": exception("some.Error", REFERENCE, code=REFERENCE),
}


def marked(value: Any) -> Any:
    """Return a value with its class dictionaries as the native format has them."""
    if isinstance(value, dict):
        inner = {key: marked(one) for key, one in value.items()}
        return [mark("C"), inner] if "__class__" in value else inner
    return [marked(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("serializer", WRITERS)
def test_a_reference_is_not_used_by_reading_it_wherever_it_is(
    serializer: str, place: str
) -> None:
    touched: list[str] = []
    wire_classes.set_reference_hooks(
        encode=lambda _obj: None, decode=lambda _state: Trap(touched)
    )
    if serializer == "native":
        data = msgpack.packb(marked(PLACES[place]))
    else:
        (data,) = WRITERS[serializer]("", PLACES[place])
    with contextlib.suppress(PyroError):
        serializers[serializer].loads(data)
    assert touched == []
