"""Registrations that belong to somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming import MemoryStorage, NameServer, NameServerDaemon
from pyro_naming.access import AccessRules
from pyro_naming.asyncio_daemon import AsyncNameServerDaemon
from pyro_protocol import URI, Configuration
from pyro_protocol.authentication import hash_token
from pyro_protocol.errors import (
    CommunicationError,
    NamingError,
    PyroError,
    SecurityError,
)
from support.clock import Clock
from support.direct import DirectProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

A = "PYRO:a@h:1"
B = "PYRO:b@h:1"
TOKENS = {name: f"the token of {name} for tests" for name in ("alice", "bob", "root")}


def settings(**items: Any) -> Configuration:
    result = Configuration(use_environment=False)
    for name, value in items.items():
        setattr(result, name, value)
    return result


@pytest.fixture
def names() -> NameServer:
    return NameServer(MemoryStorage(), config=settings())


class Shared(MemoryStorage):
    """A storage that is used as if it were on another machine."""

    networked = True


@pytest.fixture(params=[MemoryStorage, Shared])
def serve(
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., NameServerDaemon]]:
    """Starts a name server with these settings, and with access rules."""
    daemons = []

    def start(access: AccessRules | None = None, **items: Any) -> NameServerDaemon:
        config = settings(**items)
        inner = AsyncNameServerDaemon(
            "127.0.0.1", 0, storage=request.param(), access=access, config=config
        )
        daemons.append(NameServerDaemon(inner, config=config))
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.close()


def proxy(daemon: NameServerDaemon, client: str = "") -> DirectProxy:
    handshake: object = "hello"
    if client:
        handshake = {"token": TOKENS.get(client, "a wrong token it is")}
    return DirectProxy(daemon.uriFor("Pyro.NameServer"), handshake=handshake)


@pytest.fixture
def access() -> AccessRules:
    return AccessRules(
        {
            "clients": {
                name: {"token": hash_token(token)} for name, token in TOKENS.items()
            },
            "rules": [
                {"prefix": "", "force": ["root"]},
                {"prefix": "bobs.", "register": ["bob"], "remove": ["bob"]},
                {"prefix": "secret.", "lookup": ["alice"], "register": ["alice"]},
                {"prefix": "open.", "register": ["*"], "remove": ["*"]},
            ],
        }
    )


def test_a_name_with_an_owner_is_changed_in_the_same_name_only(
    names: NameServer,
) -> None:
    names.register("x", A, owner="alice@lab1")
    held = r"^name 'x' is held by alice@lab1; use force to replace it$"
    for owner in (None, "", "bob"):
        with pytest.raises(NamingError, match=held):
            names.register("x", B, owner=owner)
        with pytest.raises(NamingError, match=held):
            names.set_metadata("x", ["t"], owner=owner)
        with pytest.raises(NamingError, match=held):
            names.remove("x", owner=owner)
    assert names.lookup("x", return_metadata=True) == (URI(A), set())
    names.set_metadata("x", ["t"], owner="alice@lab1")
    names.register("x", B, owner="alice@lab1", metadata=["u"])
    assert names.lookup("x", return_metadata=True) == (URI(B), {"u"})
    assert names.remove("x", owner="alice@lab1") == 1


def test_force_takes_what_others_hold(names: NameServer) -> None:
    names.register("x", A, owner="alice")
    names.set_metadata("x", ["t"], force=True)
    assert names.describe("x")["owner"] == "alice"
    names.register("x", B, owner="bob", force=True)
    assert names.describe("x")["owner"] == "bob"
    names.register("x", B, force=True)
    assert names.describe("x")["owner"] == ""
    names.register("x", B, owner="bob")
    assert names.remove("x", force=True) == 1


def test_a_safe_registration_says_that_the_name_is_taken(names: NameServer) -> None:
    names.register("x", A, owner="alice")
    for force in (False, True):
        with pytest.raises(NamingError, match=r"^name already registered: x$"):
            names.register("x", B, safe=True, owner="alice", force=force)
    assert names.lookup("x") == URI(A)


def test_several_are_removed_but_what_somebody_else_holds(names: NameServer) -> None:
    for name, owner in {"a.1": "alice", "a.2": "bob", "a.3": None}.items():
        names.register(name, A, owner=owner)
    assert names.remove(prefix="a.", owner="alice") == 2
    assert list(names.list()) == ["a.2"]
    assert names.remove(regex="a") == 0
    assert names.remove(regex="a", force=True) == 1


def test_what_has_expired_is_free_for_everybody() -> None:
    clock = Clock()
    names = NameServer(MemoryStorage(), clock=clock)
    names.register("x", A, owner="alice", ttl=10)
    clock.now += 10
    names.register("x", B, safe=True)
    assert names.describe("x") == {
        "name": "x",
        "uri": B,
        "metadata": [],
        "owner": "",
        "ttl": 0.0,
        "age": 0.0,
        "expires_in": None,
    }


@pytest.mark.parametrize(
    ("setting", "own", "unowned"),
    [("all", True, True), ("unowned", False, True), ("read", False, False)],
)
def test_a_setting_says_what_plain_clients_may_do(
    serve: Callable[..., NameServerDaemon], setting: str, own: bool, unowned: bool
) -> None:
    daemon = serve(NS_PLAIN_CLIENTS=setting)
    daemon.nameserver.register("owned", A, owner="alice")
    daemon.nameserver.register("plain", A)
    with proxy(daemon) as client:

        def works(*call: Any) -> bool:
            try:
                getattr(client, call[0])(*call[1:])
            except PyroError:
                return False
            return True

        assert str(client.lookup("owned")) == A
        assert works("register", "owned", B) is own
        assert works("set_metadata", "plain", ["t"]) is unowned
        assert works("register", "plain", B) is unowned
        assert works("register", "new", B) is unowned
        assert works("remove", "plain") is unowned
        assert works("remove", None, "p") is unowned
        # Whoever has a name may always change what is registered in it.
        client.register("alices", A, owner="alice")
        assert client.remove("alices", owner="alice") == 1


def test_the_program_itself_is_no_plain_client(
    serve: Callable[..., NameServerDaemon],
) -> None:
    daemon = serve(NS_PLAIN_CLIENTS="read")
    daemon.nameserver.register("x", A)
    with (
        proxy(daemon) as client,
        pytest.raises(SecurityError, match="NS_PLAIN_CLIENTS is 'read'"),
    ):
        client.register("x", B)
    assert daemon.nameserver.remove("x") == 1


def test_who_has_authenticated_is_the_owner(
    serve: Callable[..., NameServerDaemon], access: AccessRules
) -> None:
    daemon = serve(access)
    with proxy(daemon, "alice") as alice, proxy(daemon, "bob") as bob:
        alice.register("x", A)
        alice.register("y", A, owner="alice")
        assert {one["owner"] for one in bob.entries()["entries"]} == {"", "alice"}
        with pytest.raises(NamingError, match="held by alice"):
            bob.register("x", B)
        with pytest.raises(SecurityError, match="bob cannot act in the name of alice"):
            bob.register("x", B, owner="alice")
        with pytest.raises(SecurityError, match="bob cannot act in the name of alice"):
            bob.register("z", B, owner="alice", force=True)
        with pytest.raises(SecurityError, match="bob may not force changes of it"):
            bob.register("x", B, force=True)
        with pytest.raises(SecurityError, match="in the name of"):
            bob.renew("x", owner="alice")
        assert bob.remove(prefix="x", force=True) == 0
        assert str(alice.lookup("x")) == A
    with proxy(daemon, "root") as root:
        root.register("x", B, owner="alice", force=True)
        assert root.describe("x")["owner"] == "alice"


def test_a_wrong_token_keeps_a_client_out(
    serve: Callable[..., NameServerDaemon], access: AccessRules
) -> None:
    with (
        proxy(serve(access), "mallory") as mallory,
        pytest.raises(CommunicationError, match="does not know this token"),
    ):
        mallory.ping()


def test_the_rules_hold_for_every_method(
    serve: Callable[..., NameServerDaemon], access: AccessRules
) -> None:
    daemon = serve(access)
    daemon.nameserver.register("bobs.x", A, metadata=["t"])
    with proxy(daemon) as unknown, proxy(daemon, "alice") as alice:
        for client, who in ((unknown, "an unknown client"), (alice, "alice")):
            for method, *arguments in (
                ("register", "bobs.x", B),
                ("register", "bobs.new", B),
                ("set_metadata", "bobs.x", ["t"]),
            ):
                with pytest.raises(SecurityError, match=f"^{who} may not register"):
                    client._pyroInvoke(method, arguments, {})
            with pytest.raises(SecurityError, match=f"^{who} may not remove"):
                client.remove("bobs.x")
            assert client.remove(None, "bobs.") == client.remove(None, None, "b") == 0
            assert client.renew(["bobs.x"]) == ["bobs.x"]
        unknown.register("open.x", A)
        assert unknown.remove("open.x") == 1
        with pytest.raises(SecurityError, match="only alice can act in that name"):
            unknown.register("open.x", A, owner="alice")
    assert daemon.nameserver.describe("bobs.x")["uri"] == A


def test_what_a_client_may_not_look_up_it_does_not_see(
    serve: Callable[..., NameServerDaemon], access: AccessRules
) -> None:
    daemon = serve(access)
    with proxy(daemon, "alice") as alice, proxy(daemon, "bob") as bob:
        start = bob.position()
        alice.register("secret.x", A, metadata=["t"])
        alice.register("seen.x", A, metadata=["t"])
        for method in ("lookup", "describe"):
            with pytest.raises(NamingError, match=r"^unknown name: secret\.x"):
                bob._pyroInvoke(method, ("secret.x",), {})
        for found in (
            bob.list("s"),
            bob.list(None, "s"),
            bob.list(None, "(s|x)"),
            bob.yplookup(["t"]),
            [one["name"] for one in bob.entries("s")["entries"]],
            [one["name"] for one in bob.entries("s", regex="(s)")["entries"]],
            [one["name"] for one in bob.changes(start, "s")["changes"]],
        ):
            assert list(found) == ["seen.x"]
        assert bob.count() == 2
        assert alice.count() == 3
        assert next(bob.watch("s", existing=True))["name"] == "seen.x"
        assert next(alice.watch("s", existing=True))["name"] == "secret.x"
    assert set(daemon.nameserver.list("s")) == {"secret.x", "seen.x"}
