from __future__ import annotations

import pickle
import pickletools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_protocol import URI
from pyro_protocol.errors import (
    NamingError,
    ProtocolError,
    SecurityError,
    SerializeError,
    ServerBusyError,
)
from pyro_protocol.pyro4 import HmacKey, pyro4_serializers
from pyro_protocol.pyro4.pickled import pyro4_pickled, read_plain_pickle
from pyro_protocol.references import ProxyState
from pyro_protocol.serializers import ExceptionWrapper, Serializer, serializers
from pyro_protocol.serializers.opt_in import PICKLED_IDS

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCE = ProxyState(
    "PYRO:a@h:1",
    oneway=frozenset({"go"}),
    methods=frozenset({"go", "come"}),
    attributes=frozenset({"level"}),
)
NAMES = ["serpent", "json", "marshal", "msgpack"]


@pytest.fixture(scope="module")
def known() -> Mapping[int, Serializer]:
    return pyro4_serializers(frozenset({1, 3, 4}), max_nesting=100)


@pytest.fixture(params=NAMES)
def serializer(
    request: pytest.FixtureRequest, known: Mapping[int, Serializer]
) -> Serializer:
    return known[serializers[request.param].id]


def plain(serializer: Serializer, value: object) -> Any:
    """Return what a peer that knows no classes reads."""
    own = serializers[serializer.name]
    return own.loads(serializer.dumps(value).replace(b"__class__", b"__klass__"))


def test_classes_have_the_names_of_pyro4(serializer: Serializer) -> None:
    assert plain(serializer, URI("PYRO:a@h:1")) == {
        "__klass__": "Pyro4.core.URI",
        "state": type(plain(serializer, ()))(("PYRO", "a", None, "h", 1)),
    }
    assert plain(serializer, NamingError("x"))["__klass__"] == (
        "Pyro4.errors.NamingError"
    )
    wrapped = plain(serializer, [ExceptionWrapper(ValueError("x"))])[0]
    assert wrapped["__klass__"] == "Pyro4.futures._ExceptionWrapper"
    assert wrapped["exception"]["__klass__"] == "builtins.ValueError"


def test_a_proxy_has_the_fields_of_pyro4(serializer: Serializer) -> None:
    form = plain(serializer, REFERENCE)

    assert form["__klass__"] == "Pyro4.core.Proxy"
    uri, oneway, methods, attributes, *rest = form["state"]
    assert uri == "PYRO:a@h:1"
    assert [*map(sorted, (oneway, methods, attributes))] == [
        ["go"],
        ["come", "go"],
        ["level"],
    ]
    assert rest == [0.0, None, "hello", 0, None]


def test_errors_of_our_own_travel_as_the_nearest_of_pyro4(
    serializer: Serializer,
) -> None:
    name = plain(serializer, ServerBusyError("x"))["__klass__"]
    assert name.startswith("Pyro4.errors.")


@pytest.mark.parametrize(
    "value",
    [
        URI("PYRO:a@h:1"),
        URI("PYROMETA:a,b@h:1"),
        [1, {"a": URI("PYRO:a@h:1")}],
        "text",
        None,
    ],
    ids=["URI", "tags", "nested", "text", "None"],
)
def test_what_is_written_is_read(serializer: Serializer, value: object) -> None:
    assert serializer.loads(serializer.dumps(value)) == value


def test_errors_come_back_as_ours(serializer: Serializer) -> None:
    error = serializer.loads(serializer.dumps(NamingError("x")))
    assert type(error) is NamingError
    assert error.args == ("x",)


def test_calls_hold_classes_of_pyro4_too(serializer: Serializer) -> None:
    data = serializer.dumps_call("o", "m", (URI("PYRO:a@h:1"),), {"k": REFERENCE})
    assert b"Pyro4.core.URI" in data
    assert b"Pyro5" not in data

    object_id, method, args, kwargs = serializer.loads_call(data)

    assert (object_id, method, *args) == ("o", "m", URI("PYRO:a@h:1"))
    assert kwargs is not None
    assert "PYRO:a@h:1" in str(kwargs["k"])


def test_the_key_of_another_program_is_not_kept(
    known: Mapping[int, Serializer],
) -> None:
    text = (
        "{'__class__':'Pyro4.core.Proxy','state':('PYRO:a@h:1',(),('m',),(),2.5,"
        "'b64:c2VjcmV0','hello',3,'json')}"
    )
    proxy = known[1].loads(text.encode())
    assert "c2VjcmV0" not in repr(vars(proxy) if hasattr(proxy, "__dict__") else proxy)


@pytest.mark.parametrize(
    "text",
    [
        "{'__class__':'Pyro4.core.Proxy','state':('PYRO:a@h:1',(),(),())}",
        "{'__class__':'Pyro4.core.Proxy','state':7}",
        "{'__class__':'Pyro4.core.Proxy'}",
        "{'__class__':'Pyro4.core.URI','state':('PYRO',)}",
        "{'__class__':'Pyro4.core.Daemon','state':()}",
        "{'__class__':'Pyro4.util.SerpentSerializer'}",
        "{'__class__':'Pyro4.core.SerializedBlob','info':1}",
        "{'__class__':'Pyro4.errors.NoSuchError'}",
    ],
)
def test_what_is_malformed_or_unknown_is_refused(
    known: Mapping[int, Serializer], text: str
) -> None:
    try:
        value = known[1].loads(text.encode())
    except SerializeError:
        return
    # Of exceptions that are not known here the text is told all the same.
    assert "NoSuchError" in text
    assert isinstance(value, Exception)


def test_other_names_are_refused_as_ever(known: Mapping[int, Serializer]) -> None:
    with pytest.raises(SerializeError, match="unsupported serialized class"):
        known[1].loads(b"{'__class__':'some.Thing'}")
    with pytest.raises(SecurityError):
        known[1].loads(b"{'__class__':'__main__.Thing'}")


@pytest.mark.parametrize("name", NAMES)
def test_other_peers_are_not_understood_otherwise_than_before(name: str) -> None:
    own = serializers[name]
    in_pyro4 = pyro4_serializers(frozenset(), max_nesting=100)[own.id]
    data = in_pyro4.dumps(URI("PYRO:a@h:1"))
    with pytest.raises(SerializeError, match=r"Pyro4\.core\.URI"):
        own.loads(data)
    assert b"Pyro5" in own.dumps(URI("PYRO:a@h:1"))


def test_nesting_is_limited(serializer: Serializer) -> None:
    value: list[Any] = []
    for _ in range(120):
        value = [value]
    data = serializers[serializer.name].dumps(value)
    with pytest.raises(SerializeError, match="nested"):
        serializer.loads(data)


def test_the_pickle_family_is_there_only_if_it_is_accepted() -> None:
    assert sorted(pyro4_serializers(frozenset(), max_nesting=9)) == [1, 2, 3, 4]
    accepted = frozenset({PICKLED_IDS["pickle"]})
    assert 79 in pyro4_serializers(accepted, max_nesting=9)


class Standin:
    """What a reader without our packages makes of Pyro4's classes."""

    def __setstate__(self, state: object) -> None:
        self.state = state


def read_by_pyro4(data: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Read a pickle as a program does that has Pyro4."""
    import sys
    import types

    for name in ("Pyro4", "Pyro4.core", "Pyro4.errors", "Pyro4.futures"):
        module: Any = types.ModuleType(name)
        module.URI = type("URI", (Standin,), {})
        module.Proxy = type("Proxy", (Standin,), {})
        module._ExceptionWrapper = type("_ExceptionWrapper", (Standin,), {})
        module.NamingError = type("NamingError", (Exception,), {})
        monkeypatch.setitem(sys.modules, name, module)
    return pickle.loads(data)


def test_pickles_name_the_classes_of_pyro4(monkeypatch: pytest.MonkeyPatch) -> None:
    serializer = pyro4_pickled("pickle")
    error = NamingError("nobody")
    error._pyroTraceback = ["line"]  # type: ignore[attr-defined]
    data = serializer.dumps(
        [URI("PYRO:a@h:1"), REFERENCE, error, ExceptionWrapper(ValueError(3))]
    )
    assert b"pyro_protocol" not in data

    uri, proxy, received, wrapper = read_by_pyro4(data, monkeypatch)

    assert type(uri).__name__ == "URI"
    assert uri.state == ("PYRO", "a", None, "h", 1)
    assert type(proxy).__name__ == "Proxy"
    assert proxy.state[0].state == uri.state
    assert proxy.state[1:4] == ({"go"}, {"go", "come"}, {"level"})
    assert proxy.state[4:] == (0.0, None, "hello", 0, None)
    assert type(received).__name__ == "NamingError"
    assert received.args == ("nobody",)
    assert received._pyroTraceback == ["line"]
    assert repr(wrapper.state["exception"]) == "ValueError(3)"


def test_pickles_can_be_read_by_old_versions_of_python() -> None:
    steps = [
        step.proto
        for step, _, _ in pickletools.genops(
            pyro4_pickled("pickle").dumps([1, "text", b"bytes", NamingError("x")])
        )
    ]
    assert max(steps) <= 2


def test_pickles_of_pyro4_are_read_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    uri = (
        b"\x80\x04\x8c\nPyro4.core\x8c\x03URI\x93)\x81(\x8c\x04PYRO\x8c\x01aN\x8c\x01h"
        b"K\x01tb."
    )
    assert pyro4_pickled("pickle").loads(uri) == URI("PYRO:a@h:1")
    error = b"\x80\x04\x8c\x0cPyro4.errors\x8c\x0bNamingError\x93\x8c\x01n\x85R."
    assert type(pyro4_pickled("pickle").loads(error)) is NamingError
    proxy = (
        b"\x80\x04]\x8c\nPyro4.core\x8c\x05Proxy\x93)\x81(\x8c\nPyro4.core\x8c\x03URI\x93)"
        b"\x81(\x8c\x04PYRO\x8c\x01aN\x8c\x01hK\x01tb\x8f\x8f\x8fG\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x8c\x06secret\x8c\x05helloK\x00Ntba."
    )
    (received,) = pyro4_pickled("pickle").loads(proxy)
    assert "PYRO:a@h:1" in str(received)


@pytest.mark.parametrize("value", ["hello", {"token": b"x", "n": [1, (2.5, None)]}])
@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_pickled_handshake_holds_plain_values(value: object, protocol: int) -> None:
    whole = {"handshake": value, "object": "thing"}
    if protocol < 3 and isinstance(value, dict):
        # Bytes are made by a function there.
        with pytest.raises(SerializeError, match="plain values only"):
            read_plain_pickle(pickle.dumps(whole, protocol))
    else:
        assert read_plain_pickle(pickle.dumps(whole, protocol)) == whole


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(print),
        pickle.dumps(ProtocolError("x")),
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02Pid\n.",
        b"\x80\x02K\x01r\xff\xff\xff\x7f.",
        b"I1\np2147483647\n.",
    ],
)
def test_a_pickled_handshake_runs_nothing_and_claims_nothing(data: bytes) -> None:
    with pytest.raises(SerializeError, match="plain values only"):
        read_plain_pickle(data)


@given(st.binary(max_size=100))
def test_any_bytes_as_a_pickled_handshake_are_read_or_refused(data: bytes) -> None:
    try:
        read_plain_pickle(data)
    except SerializeError:
        return


def test_a_key_does_not_show_itself() -> None:
    assert "secret" not in repr(HmacKey("secret"))
    assert HmacKey("secret") == HmacKey(b"secret") != HmacKey(b"other")
    assert HmacKey("secret").reveal() == b"secret"
    any_bytes = bytes(range(256))
    as_text = any_bytes.decode("utf-8", "surrogateescape")
    assert HmacKey(as_text).reveal() == any_bytes
    with pytest.raises(ValueError, match="not be empty"):
        HmacKey("")
    with pytest.raises(TypeError, match="text or bytes, not int"):
        HmacKey(5)  # type: ignore[arg-type]
