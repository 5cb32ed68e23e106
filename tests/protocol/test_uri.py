from __future__ import annotations

import copy
import pickle
import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyro_protocol import URI, config
from pyro_protocol.errors import PyroError
from pyro_protocol.uri import _parse, _parse_any, uri_of

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = st.text(
    st.characters(
        exclude_characters="@", exclude_categories=["Zs", "Zl", "Zp", "Cs", "Cc"]
    ),
    min_size=1,
    max_size=20,
)
HOSTS = st.text(string.ascii_letters + string.digits + "-._", min_size=1, max_size=20)
LOCATIONS = (
    st.tuples(st.none(), HOSTS, st.integers(0, 65535))
    | st.tuples(st.none(), st.ip_addresses(v=6).map(str), st.integers(0, 65535))
    | st.tuples(
        st.text(
            st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1
        ),
        st.none(),
        st.none(),
    )
)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("PYRO:obj@localhost:4444", ("PYRO", "obj", None, "localhost", 4444)),
        ("PYRO:obj@127.0.0.1:0", ("PYRO", "obj", None, "127.0.0.1", 0)),
        ("PYRO:obj@[::1]:65535", ("PYRO", "obj", None, "::1", 65535)),
        ("PYRO:obj@[fe80::1%eth0]:80", ("PYRO", "obj", None, "fe80::1%eth0", 80)),
        ("PYRO:o@[fe80::1%br-lan.5]:1", ("PYRO", "o", None, "fe80::1%br-lan.5", 1)),
        ("PYRO:obj@./u:/tmp/a b.sock", ("PYRO", "obj", "/tmp/a b.sock", None, None)),
        ("PYRO:obj@./u:\0abstract", ("PYRO", "obj", "\0abstract", None, None)),
        ("PYRO:Pyro.Daemon@h:1", ("PYRO", "Pyro.Daemon", None, "h", 1)),
        ("PYRO:a/b:c,d@h:1", ("PYRO", "a/b:c,d", None, "h", 1)),
        ("PYRONAME:some.name", ("PYRONAME", "some.name", None, None, None)),
        ("PYRONAME:some.name@", ("PYRONAME", "some.name@", None, None, None)),
        ("PYRONAME:some.name@host:99", ("PYRONAME", "some.name", None, "host", 99)),
        ("PYRONAME:some.name@host", ("PYRONAME", "some.name", None, "host", 9090)),
        ("PYRONAME:some.name@[::1]", ("PYRONAME", "some.name", None, "::1", 9090)),
        ("PYRONAME:n@./u:ns.sock", ("PYRONAME", "n", "ns.sock", None, None)),
        ("PYROMETA:a,b", ("PYROMETA", frozenset({"a", "b"}), None, None, None)),
        ("PYROMETA:a@h:1", ("PYROMETA", frozenset({"a"}), None, "h", 1)),
        ("pyro:Obj@Host:1", ("PYRO", "Obj", None, "Host", 1)),
        ("PyroName:x", ("PYRONAME", "x", None, None, None)),
    ],
)
def test_a_uri_is_taken_apart(text: str, state: tuple[object, ...]) -> None:
    assert URI(text).state == state


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PYRO",
        "PYRO:",
        "PYRO:obj",
        "PYRO:obj@",
        "PYRO:@host:1",
        "PYRO obj@host:1",
        "PYROX:obj@host:1",
        "HTTP:obj@host:1",
        " PYRO:obj@host:1",
        "PYRO:obj@host:1 ",
        "PYRO:obj@host:1\n",
        "PYRO:ob j@host:1",
        "PYRO:obj\t@host:1",
        "PYRO:obj@host",
        "PYRO:obj@host:",
        "PYRO:obj@:1",
        "PYRO:obj@ho st:1",
        "PYRO:obj@other@host:1",
        "PYRO:obj@@host:1",
        "PYRO:obj@host:port",
        "PYRO:obj@host:-1",
        "PYRO:obj@host:+1",
        "PYRO:obj@host:1_0",
        "PYRO:obj@host:65536",
        "PYRO:obj@host:99999999999999999999",
        "PYRO:obj@host:\u0661",
        "PYRO:obj@::1:80",
        "PYRO:obj@host:1:2",
        "PYRO:obj@[::1]",
        "PYRO:obj@[::1]:80tail",
        "PYRO:obj@[::1]tail:80",
        "PYRO:obj@[::1:80",
        "PYRO:obj@[]:80",
        "PYRO:obj@[localhost]:80",
        "PYRO:obj@[127.0.0.1]:80",
        "PYRO:obj@[::1%]:80",
        "PYRO:obj@[1:2]:80",
        "PYRO:obj@[:::]:80",
        "PYRO:obj@[1::2::3]:80",
        "PYRO:obj@[12345::]:80",
        "PYRO:obj@[::1.2.3]:80",
        "PYRO:obj@[:: 1]:80",
        "PYRO:obj@./u:",
        "PYRO:obj@./u:/tmp/a:1",
        "PYRONAME:",
        "PYRONAME:na me",
        "PYRONAME:name@:1",
        "PYRONAME:name@host:x",
        "PYROMETA:",
        "PYROMETA:,",
        "PYROMETA:a,",
        "PYROMETA:a,,b",
        "PYROMETA:a, b",
        # In another order, the @ would begin the location.
        "PYROMETA:b,a@",
    ],
)
def test_what_is_not_a_uri_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(PyroError, match=r"invalid (uri|port in uri)"):
        URI(text)


@pytest.mark.parametrize("value", [None, 5, b"PYRO:obj@host:1", ["PYRO:obj@host:1"]])
def test_only_text_and_uris_are_accepted(value: str) -> None:
    with pytest.raises(TypeError, match=type(value).__name__):
        URI(value)


@given(protocol=st.sampled_from(["PYRO", "PYRONAME"]), name=NAMES, location=LOCATIONS)
def test_a_uri_made_of_its_fields_survives_being_text(
    protocol: str, name: str, location: tuple[str | None, str | None, int | None]
) -> None:
    uri = URI.from_state(protocol, name, *location)

    assert uri.state == (protocol, name, *location)
    assert URI(str(uri)) == uri
    assert URI(str(uri)).state == uri.state


TAGS = st.sets(NAMES.filter(lambda tag: "," not in tag), min_size=1, max_size=4)
NOWHERE = st.just((None, None, None))


@given(tags=TAGS, location=NOWHERE | LOCATIONS)
def test_tags_survive_being_text(
    tags: set[str], location: tuple[str | None, str | None, int | None]
) -> None:
    uri = URI.from_state("PYROMETA", frozenset(tags), *location)

    assert uri.state == ("PYROMETA", frozenset(tags), *location)
    assert URI(str(uri)) == uri


@given(name=NAMES)
def test_a_name_survives_being_text_without_a_location(name: str) -> None:
    uri = URI.from_state("PYRONAME", name, None, None, None)

    assert uri.state == ("PYRONAME", name, None, None, None)
    assert URI(str(uri)) == uri


@given(
    protocol=st.sampled_from(["PYRO", "PYRONAME", "PYROMETA"]),
    tags=TAGS,
    location=LOCATIONS,
)
def test_every_copy_of_a_uri_is_equal_and_has_the_same_hash(
    protocol: str,
    tags: set[str],
    location: tuple[str | None, str | None, int | None],
) -> None:
    name = frozenset(tags) if protocol == "PYROMETA" else ",".join(sorted(tags))
    uri = URI.from_state(protocol, name, *location)

    for other in (
        URI(uri),
        URI(str(uri)),
        URI(uri.asString()),
        URI.from_state(*uri.state),
        copy.copy(uri),
        copy.deepcopy(uri),
        pickle.loads(pickle.dumps(uri)),
    ):
        assert other == uri
        assert hash(other) == hash(uri)
        assert other.location == uri.location


def test_uris_have_no_order() -> None:
    with pytest.raises(TypeError):
        sorted([URI("PYRO:a@h:1"), URI("PYRO:b@h:1")])  # type: ignore[type-var] # the point


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for candidate in (text, f"PYRO:{text}", f"PYRO:o@{text}", f"PYRONAME:o@[{text}]"):
        try:
            uri = URI(candidate)
        except PyroError:
            continue
        assert URI(str(uri)) == uri


@pytest.mark.parametrize(
    "state",
    [
        ("PYRO", "obj", None, None, None),
        ("PYRO", "a@b", None, "host", 1),
        ("PYRO", "", None, "host", 1),
        ("PYRO", "obj", None, "host", 70000),
        ("PYRO", "obj", None, "host:1", 2),
        ("PYRO", "obj", "path", "host", 1),
        ("PYROMETA", frozenset({"a,b"}), None, None, None),
        ("PYROMETA", frozenset[str](), None, None, None),
        ("OTHER", "obj", None, "host", 1),
    ],
)
def test_fields_that_do_not_form_a_uri_are_refused(
    state: tuple[str, str | frozenset[str], str | None, str | None, int | None],
) -> None:
    with pytest.raises(PyroError):
        URI.from_state(*state)


def test_the_default_port_is_that_of_the_name_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "NS_PORT", 4444)

    assert URI("PYRONAME:name@host").port == 4444
    assert URI("PYRONAME:name@host", default_port=5).port == 5
    assert URI("PYRONAME:name@host:6", default_port=5).port == 6
    assert URI("PYRONAME:name", default_port=5).port is None


def test_a_uri_made_of_a_uri_is_equal_to_it() -> None:
    uri = URI("PYROMETA:b,a@./u:ns.sock")

    assert URI(uri) == uri
    assert copy.copy(uri) == uri
    assert copy.deepcopy(uri) == uri
    assert pickle.loads(pickle.dumps(uri)) == uri


def test_equal_uris_are_one_dictionary_key() -> None:
    known = {URI("PYROMETA:a,b"): 1, URI("PYRO:x@h:1"): 2}

    assert known[URI("pyrometa:b,a")] == 1
    assert known[URI("PYRO:x@h:1")] == 2
    assert URI("PYRO:x@h:1") != URI("PYRO:x@h:2")
    assert URI("PYRO:x@h:1") != "PYRO:x@h:1"


def test_a_uri_cannot_be_changed() -> None:
    uri = URI("PYRO:x@h:1")

    with pytest.raises(AttributeError, match="'port'"):
        uri.port = 2
    with pytest.raises(AttributeError, match="'port'"):
        del uri.port


def test_a_uri_shows_itself_as_text() -> None:
    uri = URI("pyro:x@[::1]:80")

    assert str(uri) == uri.asString() == "PYRO:x@[::1]:80"
    assert "PYRO:x@[::1]:80" in repr(uri)
    assert uri.location == "[::1]:80"
    assert URI("PYRONAME:x").location is None


def test_the_tags_of_a_uri_are_shown_in_order() -> None:
    uri = URI("PYROMETA:c,a,b")

    assert str(uri) == "PYROMETA:a,b,c"
    assert uri.object_id == "a,b,c"


def test_one_uri_may_serve_all_who_write_it_alike() -> None:
    first, second = (uri_of("PYRO:thing@host:1", 9090) for _ in range(2))

    assert first == second == URI("PYRO:thing@host:1")
    assert uri_of(first, 1) is first


def test_the_default_port_is_not_mixed_up_with_that_of_others() -> None:
    for _ in range(2):
        assert uri_of("PYRONAME:thing@host", 1).port == 1
        assert uri_of("PYRONAME:thing@host", 2).port == 2
        assert uri_of("PYRONAME:thing@host:3", 2).port == 3


def test_long_texts_and_those_of_other_classes_are_uris_too() -> None:
    class Text(str):
        __slots__ = ()

    long = f"PYRO:{'x' * 5000}@host:1"

    assert uri_of(long, 1) == URI(long)
    assert uri_of(Text("PYRO:thing@host:1"), 1) == URI("PYRO:thing@host:1")


@pytest.mark.parametrize("wrong", [None, 5, [], b"PYRO:thing@host:1"])
def test_what_is_neither_text_nor_a_uri_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be text or a URI"):
        uri_of(wrong, 1)


def test_a_malformed_text_is_refused_each_time() -> None:
    for _ in range(2):
        with pytest.raises(PyroError, match="invalid uri"):
            uri_of("PYRO:thing", 1)


def test_the_location_of_a_unix_socket_is_told_from_others() -> None:
    assert URI.isUnixsockLocation(str(URI("PYRO:x@./u:/run/x").location))
    assert not URI.isUnixsockLocation(str(URI("PYRO:x@host:80").location))


@given(
    st.text("PYROM:@aé1٣.-/ \n[]u", max_size=12)
    | st.builds("{}@{}:{}".format, NAMES, HOSTS, st.integers(0, 70_000))
)
def test_usual_uris_are_read_as_any_others(text: str) -> None:
    def read(parse: Callable[[str, int], object]) -> object:
        try:
            return parse(f"PYRO:{text}", 9090)
        except PyroError as error:
            return str(error)

    assert read(_parse) == read(_parse_any)
