"""How an etcd is found, what it wants to be told first, and what it forgets."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import Registration
from pyro_naming.storages import FREE, HistoryLostError
from pyro_naming.storages.etcd import EtcdStorage
from pyro_protocol.errors import NamingError
from support.certificates import make_certificate
from support.engines import EtcdServer, free_port
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

ONE = Registration("PYRO:one@h:1")
USER = {"name": "root", "password": "p:a/s@s%"}


@pytest.fixture
def engine() -> Iterator[EtcdServer]:
    """An etcd of the test's own."""
    with EtcdServer() as engine:
        yield engine


def ask(engine: EtcdServer, path: str, **body: object) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{engine.port}/v3/{path}", json.dumps(body).encode()
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        result: dict[str, Any] = json.load(answer)
    return result


def compact(engine: EtcdServer) -> None:
    revision = ask(engine, "maintenance/status")["header"]["revision"]
    ask(engine, "kv/compaction", revision=revision)


def works(storage: EtcdStorage) -> bool:
    with closing(storage):
        storage.put("name", ONE)
        return storage.find("n").keys() == {"name"}


def test_changes_that_etcd_has_forgotten_are_lost_history(engine: EtcdServer) -> None:
    with closing(EtcdStorage(engine.url("test"))) as storage:
        start = storage.position()
        for number in range(5):
            storage.put(f"n{number}", ONE)
        late = storage.position()
        compact(engine)
        with pytest.raises(HistoryLostError, match="history lost"):
            storage.changes(start, wait=0)
        assert storage.changes(late, wait=0) == []
        storage.put("new", ONE)
        assert [one.name for one in storage.changes(late, wait=0)] == ["new"]
        assert len(storage.find()) == 6


def test_forgotten_renewals_are_no_lost_history(engine: EtcdServer) -> None:
    leased = ONE._replace(ttl=60.0, owner="me", renewed=1.0)
    with closing(EtcdStorage(engine.url("test"))) as storage:
        storage.put("name", leased)
        position = storage.position()
        for number in range(5):
            storage.renew(["name"], "me", 2.0 + number)
        compact(engine)
        assert storage.changes(position, wait=0) == []
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(storage.changes, position, wait=DEADLINE)
            storage.renew(["name"], "me", 20.0)
            storage.put("new", ONE)
            assert [one.name for one in waiting.result(DEADLINE)] == ["new"]
        assert [one.name for one in storage.changes(position, wait=0)] == ["new"]
        compact(engine)
        with pytest.raises(HistoryLostError):
            storage.changes(position, wait=0)


def test_the_next_member_is_asked_if_one_is_away(engine: EtcdServer) -> None:
    away = free_port()
    hosts = f"127.0.0.1:{away},127.0.0.1:{engine.port}"
    assert works(EtcdStorage(f"etcd://{hosts}/test"))


class Member(EtcdServer):
    """One of a cluster."""

    def __init__(self, name: str, peers: dict[str, int]) -> None:
        self._name = name
        self._peers = peers
        super().__init__()

    def arguments(self, folder: Path) -> Sequence[str]:
        places = {
            name: f"http://127.0.0.1:{port}" for name, port in self._peers.items()
        }
        cluster = ",".join(f"{name}={place}" for name, place in places.items())
        # Of options that are given twice the last one counts.
        return (
            *super().arguments(folder),
            *("--name", self._name, "--initial-cluster", cluster),
            *("--listen-peer-urls", places[self._name]),
            *("--initial-advertise-peer-urls", places[self._name]),
            *("--election-timeout", "500"),
        )

    def answers(self) -> bool:
        # It is of no use before others are there too.
        socket.create_connection(("127.0.0.1", self.port), 1).close()
        return True


def test_any_member_of_a_cluster_may_fail() -> None:
    peers = {name: free_port() for name in ("a", "b", "c")}
    with ExitStack() as stack:
        members = [stack.enter_context(Member(name, peers)) for name in peers]
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in members)
        storage = stack.enter_context(closing(EtcdStorage(f"etcd://{hosts}/test")))
        threads = stack.enter_context(ThreadPoolExecutor(1))
        position = storage.position()
        expected = []
        for number, member in enumerate(members):
            waiting = threads.submit(storage.changes, storage.position(), wait=DEADLINE)
            member.kill()
            names = [f"n{number}.{index}" for index in range(10)]
            for name in names:
                assert storage.put(name, ONE, expected=FREE)
            assert [one.name for one in waiting.result(DEADLINE)][:1] == names[:1]
            assert storage.remove({names[0]: None}) == [names[0]]
            expected += names[1:]
            member.start()
        assert list(storage.find()) == expected
        changes = storage.changes(position, wait=0)
        assert sum(one.kind == "added" for one in changes) == 30
        assert sum(one.kind == "removed" for one in changes) == 3


def test_without_a_prefix_there_is_one(engine: EtcdServer) -> None:
    assert works(EtcdStorage(f"etcd://127.0.0.1:{engine.port}"))
    with closing(EtcdStorage(engine.url("pyro"))) as storage:
        assert list(storage.find()) == ["name"]


@pytest.fixture
def guarded(engine: EtcdServer) -> EtcdServer:
    """An etcd that wants a user and a password."""
    ask(engine, "auth/user/add", **USER)
    ask(engine, "auth/role/add", name="root")
    ask(engine, "auth/user/grant", user="root", role="root")
    ask(engine, "auth/enable")
    return engine


def test_a_user_logs_in(guarded: EtcdServer) -> None:
    place = f"127.0.0.1:{guarded.port}/test"
    assert works(EtcdStorage(f"etcd://root:p%3Aa%2Fs%40s%25@{place}"))
    assert works(EtcdStorage(f"etcd://{place}?user=root&password=p:a/s@s%25"))


def test_a_user_logs_in_again_after_a_restart(guarded: EtcdServer) -> None:
    place = f"127.0.0.1:{guarded.port}/test"
    url = f"etcd://{place}?user=root&password=p:a/s@s%25"
    with closing(EtcdStorage(url)) as storage, ThreadPoolExecutor(1) as threads:
        position = storage.position()
        waiting = threads.submit(storage.changes, position, wait=DEADLINE)
        # It forgets whom it knows.
        guarded.kill()
        guarded.start()
        assert storage.put("name", ONE)
        assert storage.get("name")
        assert [one.name for one in waiting.result(DEADLINE)] == ["name"]
        guarded.kill()
        guarded.start()
        assert [one.name for one in storage.changes(position, wait=0)] == ["name"]


@pytest.mark.parametrize("login", ["", "root:wrong@", "somebody:wrong@"])
def test_a_wrong_login_is_told_at_once(guarded: EtcdServer, login: str) -> None:
    with pytest.raises(NamingError, match="refuses: ") as refused:
        EtcdStorage(f"etcd://{login}127.0.0.1:{guarded.port}/test")
    assert f"127.0.0.1:{guarded.port}" in str(refused.value)
    assert "wrong" not in str(refused.value)


def test_tls_is_used(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "etcd")

    class TlsEtcd(EtcdServer):
        def arguments(self, folder: Path) -> Sequence[str]:
            clients = f"https://127.0.0.1:{self.port}"
            plain = (
                clients if f":{self.port}" in argument else argument
                for argument in super().arguments(folder)
            )
            files = certificate.certificate, certificate.key
            return (*plain, "--cert-file", files[0], "--key-file", files[1])

        def answers(self) -> bool:
            context = ssl.create_default_context(cafile=certificate.certificate)
            url = f"https://localhost:{self.port}/health"
            with urllib.request.urlopen(url, timeout=1, context=context) as answer:
                return b'"true"' in answer.read()

    with TlsEtcd() as server:
        url = f"etcds://localhost:{server.port}/test?ca={certificate.certificate}"
        assert works(EtcdStorage(url))


def test_a_registration_with_very_many_tags_is_written_as_a_whole(
    engine: EtcdServer,
) -> None:
    tags = frozenset(f"tag {number}" for number in range(1000))
    others = frozenset(f"other {number}" for number in range(1000))
    with closing(EtcdStorage(engine.url("test"))) as storage:
        storage.put("name", ONE._replace(metadata=tags))
        storage.put("name", ONE._replace(metadata=others))
        some_of_both = frozenset({"tag 0", "tag 999"}), frozenset({"other 7"})
        assert storage.find_by_metadata(some_of_both[0], every=False) == {}
        assert storage.find_by_metadata(some_of_both[1], every=True).keys() == {"name"}
        assert storage.remove({"name": None}) == ["name"]
        assert storage.find_by_metadata(some_of_both[1], every=False) == {}


def test_what_etcd_does_not_take_is_refused_as_a_whole(engine: EtcdServer) -> None:
    tags = frozenset(f"{number}" * 400 for number in range(2000, 3000))
    with closing(EtcdStorage(engine.url("test"))) as storage:
        with pytest.raises(NamingError, match="refuses: "):
            storage.put("name", ONE._replace(metadata=tags))
        assert storage.get("name") is None
        assert len(storage) == 0


def test_the_notes_of_writers_are_gone_some_time_after_the_last_write(
    engine: EtcdServer,
) -> None:
    with closing(EtcdStorage(engine.url("test"))) as storage:
        storage.put("name", ONE)
        first, last = (
            base64.b64encode(f"test/writer{end}".encode()).decode() for end in "/0"
        )
        found = ask(engine, "kv/range", key=first, range_end=last)["kvs"]
        assert all(int(pair["lease"]) for pair in found)
        # So they are when etcd has taken the lease away, or has lost it.
        ask(engine, "kv/lease/revoke", ID=found[0]["lease"])
        assert storage.remove({"name": None}) == ["name"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "etcd://127.0.0.1:port/x",
        "etcd://127.0.0.1/x?unheard_of=1",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        EtcdStorage(url)
