"""What clients may send by mistake, or on purpose."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

import pytest

from pyro_naming import AsyncNameServerDaemon, MemoryStorage, NameServerDaemon
from pyro_protocol import Configuration
from pyro_protocol.errors import NamingError, PyroError
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import Decoder, MessageType, encode_frame
from support.direct import DirectProxy
from support.storages import STORAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

A = "PYRO:a@h:1"
B = "PYRO:b@h:1"
NAMES = [
    "",
    " ",
    "%",
    "a_b",
    "a%b",
    "*",
    "[",
    "\\",
    "'; drop table pyro_names; --",
    '"',
    "a\nb",
    "a\0b",
    "\0",
    "\x7f\x1b[31m",
    "é",
    "e\u0301",
    "名前",
    "\U0001f600",
    "\u202e",
    "A",
    "a",
    "Pyro.nameserver",
    "Pyro.NameServer ",
    "Pyro.NameServer.x",
    "__dict__",
    "x" * 1000,
    "😀" * 1000,
]
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("lookup", {"name": 5}),
    ("lookup", {"name": None}),
    ("lookup", {"name": ["x"]}),
    ("lookup", {}),
    ("lookup", {"name": "x", "more": 1}),
    ("describe", {"name": {}}),
    ("register", {"name": 5, "uri": A}),
    ("register", {"name": "x", "uri": 5}),
    ("register", {"name": "x", "uri": None}),
    ("register", {"name": "x", "uri": "http://h"}),
    ("register", {"name": "x", "uri": "PYRO:a@h:99999999"}),
    ("register", {"name": "x", "uri": A, "metadata": "text"}),
    ("register", {"name": "x", "uri": A, "metadata": 5}),
    ("register", {"name": "x", "uri": A, "metadata": [["a"]]}),
    ("register", {"name": "x", "uri": A, "metadata": [None]}),
    ("register", {"name": "x", "uri": A, "metadata": ["t" * 1001]}),
    ("register", {"name": "x", "uri": A, "metadata": [str(i) for i in range(1001)]}),
    # Lists with it could not be read by clients with serpent, json or msgpack.
    ("register", {"name": "__class__", "uri": A}),
    ("register", {"name": "x" * 1001, "uri": A}),
    ("register", {"name": "x", "uri": A, "ttl": "long"}),
    ("register", {"name": "x", "uri": A, "ttl": -1}),
    ("register", {"name": "x", "uri": A, "owner": 5}),
    ("register", {"name": "Pyro.NameServer", "uri": A}),
    ("register", {"name": "Pyro.NameServer", "uri": A, "force": True, "owner": "me"}),
    ("set_metadata", {"name": "Pyro.NameServer", "metadata": [], "force": True}),
    ("set_metadata", {"name": "kept", "metadata": 5}),
    ("set_metadata", {"name": "kept", "metadata": ["t" * 1001]}),
    ("remove", {"name": 5}),
    ("remove", {"prefix": 5}),
    ("remove", {"regex": 5}),
    ("remove", {"regex": "("}),
    ("remove", {"regex": "x" * 201}),
    ("remove", {"name": "kept", "owner": ["me"]}),
    ("list", {"prefix": 5}),
    ("list", {"regex": 5}),
    ("list", {"regex": "*"}),
    ("list", {"prefix": "a", "regex": "a"}),
    ("yplookup", {"meta_all": "text"}),
    ("yplookup", {"meta_all": 5}),
    ("yplookup", {"meta_any": [5]}),
    ("yplookup", {"meta_all": ["a"], "meta_any": ["b"]}),
    ("entries", {"prefix": 5}),
    ("entries", {"after": 5}),
    ("entries", {"limit": 0}),
    ("entries", {"limit": -5}),
    ("entries", {"limit": 1.5}),
    ("entries", {"limit": True}),
    ("entries", {"limit": None}),
    ("entries", {"regex": "("}),
    ("entries", {"meta_all": ["a"], "meta_any": ["b"]}),
    ("renew", {"names": 5}),
    ("renew", {"names": [5]}),
    ("renew", {"names": None}),
    ("renew", {"names": ["x"], "owner": 5}),
    ("changes", {"after": 5}),
    ("changes", {"after": None}),
    ("changes", {"after": "nonsense"}),
    ("changes", {"after": "", "wait": "long"}),
    ("changes", {"after": "", "wait": -1}),
    ("changes", {"after": "", "prefix": 5}),
    ("changes", {"after": "", "limit": "all"}),
    ("watch", {"prefix": 5}),
    ("watch", {"after": 5}),
    ("watch", {"after": "x", "existing": True}),
    ("announce", {"uri": A}),
    ("sweep", {}),
    ("close", {}),
    ("restart_leases", {}),
    ("storage", {}),
    ("_claim", {"owner": "me", "force": True}),
    ("__init__", {}),
    ("no_such_command", {}),
]


class Shared(MemoryStorage):
    """A storage that is used as if it were on another machine."""

    networked = True


@pytest.fixture(params=["here", "elsewhere"])
def daemon(request: pytest.FixtureRequest) -> Iterator[NameServerDaemon]:
    config = Configuration(use_environment=False)
    config.SERIALIZERS_ACCEPTED = ["native", "serpent", "json", "msgpack", "marshal"]
    storage = MemoryStorage() if request.param == "here" else Shared()
    inner = AsyncNameServerDaemon("127.0.0.1", 0, storage=storage, config=config)
    with NameServerDaemon(inner, config=config) as daemon:
        daemon.nameserver.register("kept", B, metadata=["t"])
        yield daemon


def proxy(daemon: NameServerDaemon, serializer: str = "native") -> DirectProxy:
    return DirectProxy(daemon.uriFor("Pyro.NameServer"), serializer)


def is_unharmed(daemon: NameServerDaemon) -> bool:
    with proxy(daemon) as names:
        listed = names.list(return_metadata=True)
        own, tags = listed.pop("Pyro.NameServer")
    return (
        own == str(daemon.uriFor("Pyro.NameServer"))
        and set(tags) == {"class:Pyro5.nameserver.NameServer"}
        and listed == {"kept": (B, {"t"})}
    )


def check_names_of_any_kind(daemon: NameServerDaemon, serializer: str) -> None:
    with proxy(daemon, serializer) as names:
        for number, name in enumerate(NAMES):
            names.register(name, f"PYRO:{number}@h:1", metadata=[name or "empty"])
        for number, name in enumerate(NAMES):
            uri = f"PYRO:{number}@h:1"
            assert str(names.lookup(name)) == uri
            assert names.describe(name)["metadata"] == [name or "empty"]
            assert name in names.list(name)
            assert list(names.yplookup([name or "empty"])) == [name]
            if name:
                assert names.remove(name) == 1
        assert set(names.list()) == {"", "kept", "Pyro.NameServer"}


@pytest.mark.parametrize("serializer", ["native", "serpent", "json", "msgpack"])
def test_names_of_any_kind_are_kept_as_they_are(
    daemon: NameServerDaemon, serializer: str
) -> None:
    check_names_of_any_kind(daemon, serializer)


@pytest.mark.parametrize("kind", [kind for kind in STORAGES if kind != "memory"])
def test_every_storage_keeps_names_of_any_kind(kind: str, tmp_path: Path) -> None:
    config = Configuration(use_environment=False)
    with closing(STORAGES[kind].open(tmp_path, 1000)) as storage:
        inner = AsyncNameServerDaemon("127.0.0.1", 0, storage=storage, config=config)
        with NameServerDaemon(inner, config=config) as daemon:
            daemon.nameserver.register("kept", B, metadata=["t"])
            check_names_of_any_kind(daemon, "native")


@pytest.mark.parametrize(("method", "arguments"), WRONG)
def test_what_makes_no_sense_is_an_error_and_changes_nothing(
    daemon: NameServerDaemon, method: str, arguments: dict[str, Any]
) -> None:
    with proxy(daemon) as names:
        names._pyroBind()
        with pytest.raises((PyroError, TypeError, ValueError, AttributeError)) as told:
            names._pyroInvoke(method, (), arguments)
        assert len(str(told.value).splitlines()[0]) > 10
        # The connection is as good as before.
        names.ping()
    assert is_unharmed(daemon)


class RawClient:
    """Sends JSON as it is written, which may be what no client of ours sends."""

    def __init__(self, daemon: NameServerDaemon) -> None:
        port = int(daemon.locationStr.rpartition(":")[2])
        self._sock = socket.create_connection(("127.0.0.1", port), 20)
        self._decoder = Decoder(1 << 20, 256, frozenset(MessageType))
        self.send(
            MessageType.CONNECT, {"handshake": "hello", "object": "Pyro.NameServer"}
        )

    def send(self, kind: MessageType, value: object) -> Any:
        payload = json.dumps(value).encode("ascii")
        for buffer in encode_frame(kind, serializers["json"].id, 0, 0, payload):
            self._sock.sendall(buffer)
        while (frame := self._decoder.next_frame()) is None:
            data = self._sock.recv(65536)
            assert data, "the name server has closed the connection"
            self._decoder.receive_data(data)
        return serializers["json"].loads(frame.payload)

    def call(self, method: str, *args: object) -> Any:
        call = {"object": "Pyro.NameServer", "method": method, "params": args}
        return self.send(MessageType.INVOKE, {**call, "kwargs": {}})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._sock.close()


def test_text_that_is_not_unicode_is_refused(daemon: NameServerDaemon) -> None:
    with RawClient(daemon) as names:
        for arguments in (
            ("\ud800", A),
            ("x", "PYRO:\ud800@h:1"),
            ("x", A, False, ["\udfff"]),
            ("x", A, False, None, None, "\udfff"),
        ):
            error = names.call("register", *arguments)
            assert isinstance(error, NamingError)
            assert "must be Unicode text" in str(error)
        assert isinstance(names.call("lookup", "\ud800"), NamingError)
        assert names.call("list", "\ud800") == {}
        assert names.call("remove", "\ud800") == 0
        assert names.call("count") == 2
    assert is_unharmed(daemon)


@pytest.mark.parametrize(
    "call",
    [
        {},
        [],
        "register",
        None,
        {"object": "Pyro.NameServer"},
        {"object": "Pyro.NameServer", "method": 5, "params": [], "kwargs": {}},
        {"object": "Pyro.NameServer", "method": "count", "params": 5, "kwargs": {}},
        {"object": "Pyro.NameServer", "method": "count", "params": [], "kwargs": []},
        {"object": ["x"], "method": "count", "params": [], "kwargs": {}},
        {"object": "nothing", "method": "count", "params": [], "kwargs": {}},
    ],
)
def test_calls_of_another_form_are_answered_with_an_error(
    daemon: NameServerDaemon, call: object
) -> None:
    with RawClient(daemon) as names:
        assert isinstance(names.send(MessageType.INVOKE, call), Exception)
        assert names.call("count") == 2
    assert is_unharmed(daemon)


def test_huge_metadata_is_refused(daemon: NameServerDaemon) -> None:
    with proxy(daemon) as names:
        with pytest.raises(NamingError, match="1000 characters at most"):
            names.register("x", A, metadata=["t" * 10_000_000])
        with pytest.raises(NamingError, match="1000 metadata tags at most"):
            names.register("x", A, metadata=[str(number) for number in range(200_000)])
        with pytest.raises(TypeError, match="must be text"):
            names.register("x", A, metadata=range(10**12))
    assert is_unharmed(daemon)


def test_bytes_that_are_no_request_end_only_their_own_connection(
    daemon: NameServerDaemon,
) -> None:
    port = int(daemon.locationStr.rpartition(":")[2])
    with proxy(daemon) as names:
        names._pyroBind()
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 1000, b"PYRO" + b"\xff" * 100):
            with socket.create_connection(("127.0.0.1", port), 20) as sock:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            names.ping()
    assert is_unharmed(daemon)
