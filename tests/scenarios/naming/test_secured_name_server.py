"""Name server processes that are protected, and clients with and without rights."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pyro_naming import locate_ns
from pyro_protocol import Configuration
from pyro_protocol.authentication import hash_token
from pyro_protocol.errors import CommunicationError, NamingError, SecurityError
from support.certificates import Certificate, make_certificate
from support.peers import pyro5_python
from support.programs import Program, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyro_protocol import NameServerClient

LOOPBACK = "127.0.0.1"
ALICE, BOB = "token-of-alice-for-tests", "token-of-bob-for-tests"
URI = "PYRO:object@h:1"
RULES = f"""
[clients.alice]
token = "{hash_token(ALICE)}"
roles = ["operator"]

[clients.bob]
token = "{hash_token(BOB)}"
certificates = ["CN:bob"]

[clients.me]
users = [{os.getuid()}]

[[rules]]
prefix = "lab."
register = ["role:operator", "me"]
remove = ["alice"]

[[rules]]
prefix = "lab.secret."
lookup = ["alice"]

[[rules]]
prefix = "open."
register = ["*"]
remove = ["*"]

[[rules]]
prefix = ""
force = ["role:operator"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def server_certificate(folder: Path) -> Certificate:
    return make_certificate(folder, "server")


@pytest.fixture(scope="module")
def client_certificate(folder: Path) -> Certificate:
    return make_certificate(folder, "bob")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "access.toml"
    path.write_text(RULES, "utf-8")
    return path


def started(
    *options: str | Path, settings: Mapping[str, str] | None = None
) -> tuple[Program, int]:
    """Start a name server; return it with its port, to be used in a ``with`` block."""
    where = ("-n", "localhost", "-p", "0", "-x", "-s", "memory")
    program = Program("-m", "pyro_naming", *where, *options, settings=settings)
    try:
        return program, int(program.wait_for(r"^URI = .*:(\d+)$")[1])
    except BaseException:
        with program:
            raise


def client(
    port: int, token: str = "", settings: Configuration | None = None
) -> NameServerClient:
    """Return a client that shows a token if there is one."""
    settings = (settings or Configuration(use_environment=False)).copy()
    settings.NS_TOKEN = token
    return locate_ns("localhost", port, config=settings)


def serving_tls(
    server: Certificate, authority: Certificate | None = None
) -> dict[str, str]:
    """Return the settings of a server; with an authority it demands certificates."""
    settings = {
        "PYRO_SSL": "1",
        "PYRO_SSL_SERVERCERT": server.certificate,
        "PYRO_SSL_SERVERKEY": server.key,
    }
    if authority is not None:
        settings["PYRO_SSL_CACERTS"] = authority.certificate
        settings["PYRO_SSL_REQUIRECLIENTCERT"] = "1"
    return settings


def trusting(
    authority: Certificate | None, own: Certificate | None = None
) -> Configuration:
    """Return the settings of a client that uses TLS."""
    settings = Configuration(use_environment=False)
    settings.SSL = True
    if authority is not None:
        settings.SSL_CACERTS = authority.certificate
    if own is not None:
        settings.SSL_CLIENTCERT, settings.SSL_CLIENTKEY = own
    return settings


class TestTls:
    def test_those_who_trust_its_certificate_can_use_it(
        self, server_certificate: Certificate
    ) -> None:
        program, port = started(settings=serving_tls(server_certificate))
        with program:
            with client(port, settings=trusting(server_certificate)) as names:
                names.register("name", URI)
                assert str(names.lookup("name")) == URI
            for settings in (trusting(None), Configuration(use_environment=False)):
                with pytest.raises(NamingError) as caught:
                    client(port, settings=settings)
                assert isinstance(caught.value.__cause__, CommunicationError)
            assert program.end() == 0

    def test_those_without_a_certificate_stay_outside_if_it_demands_one(
        self, server_certificate: Certificate, client_certificate: Certificate
    ) -> None:
        settings = serving_tls(server_certificate, client_certificate)
        program, port = started(settings=settings)
        with program:
            known = trusting(server_certificate, client_certificate)
            with client(port, settings=known) as names:
                names.register("name", URI)
                assert names.count() == 2
            # A certificate that nobody has signed whom the name server trusts.
            other = trusting(server_certificate, server_certificate)
            for settings_of_client in (trusting(server_certificate), other):
                with pytest.raises((NamingError, CommunicationError)):
                    client(port, settings=settings_of_client)
            assert program.end() == 0

    def test_a_certificate_says_whose_names_they_are(
        self,
        server_certificate: Certificate,
        client_certificate: Certificate,
        rules: Path,
    ) -> None:
        settings = serving_tls(server_certificate, client_certificate)
        program, port = started("--access", rules, settings=settings)
        with program:
            known = trusting(server_certificate, client_certificate)
            with client(port, settings=known) as bob:
                bob.register("name", URI)
                assert bob.describe("name").owner == "bob"
            with client(port, ALICE, known) as alice:
                with pytest.raises(NamingError, match="held by bob"):
                    alice.register("name", URI)
                alice.register("name", URI, force=True)
                assert alice.describe("name").owner == "alice"
            assert program.end() == 0

    def test_clients_of_pyro5_are_known_by_their_certificates(
        self,
        server_certificate: Certificate,
        client_certificate: Certificate,
        rules: Path,
    ) -> None:
        settings = serving_tls(server_certificate, client_certificate)
        program, port = started("--access", rules, settings=settings)
        with program:
            subprocess.run(
                [pyro5_python(), "-c", PYRO5_CLIENT_WITH_CERTIFICATE, str(port)],
                env=clean_environment(
                    {
                        "PYRO_SSL": "1",
                        "PYRO_SSL_CACERTS": server_certificate.certificate,
                        "PYRO_SSL_CLIENTCERT": client_certificate.certificate,
                        "PYRO_SSL_CLIENTKEY": client_certificate.key,
                    }
                ),
                check=True,
            )
            known = trusting(server_certificate, client_certificate)
            with client(port, settings=known) as names:
                assert names.describe("name").owner == "bob"
            assert program.end() == 0

    def test_tokens_travel_encrypted(
        self, server_certificate: Certificate, rules: Path
    ) -> None:
        program, port = started(
            "--access", rules, settings=serving_tls(server_certificate)
        )
        known = trusting(server_certificate)
        with program:
            with client(port, ALICE, known) as alice:
                alice.register("lab.one", URI)
                assert alice.describe("lab.one").owner == "alice"
            with pytest.raises(SecurityError, match="does not know this token"):
                client(port, "another-token-of-somebody", known)
            with client(port, settings=known) as nobody:
                assert str(nobody.lookup("lab.one")) == URI
                with pytest.raises(SecurityError):
                    nobody.remove("lab.one")
            assert program.end() == 0


class TestRules:
    def test_each_client_may_do_what_the_rules_say(self, rules: Path) -> None:
        program, port = started("--access", rules)
        with program, client(port, ALICE) as alice, client(port, BOB) as bob:
            alice.register("lab.one", URI, metadata={"tag"})
            bob.register("other", URI)
            with pytest.raises(SecurityError, match=r"bob may not register .*lab\.b"):
                bob.register("lab.b", URI)
            with pytest.raises(SecurityError, match="bob"):
                bob.set_metadata("lab.one", {"mine"})
            with pytest.raises(SecurityError, match=r"bob may not remove .*lab\.one"):
                bob.remove("lab.one")
            assert bob.remove(prefix="lab.") == 0
            with pytest.raises(NamingError, match="held by bob"):
                alice.remove("other")
            assert alice.remove("other", force=True) == 1
            with pytest.raises(SecurityError):
                bob.register("elsewhere", URI, owner="alice")
            assert alice.remove("lab.one") == 1
            assert program.end() == 0

    def test_what_a_client_may_not_look_up_is_not_there_for_it(
        self, rules: Path
    ) -> None:
        program, port = started("--access", rules)
        with program, client(port, ALICE) as alice, client(port, BOB) as bob:
            alice.register("lab.open", URI, metadata={"tag"})
            alice.register("lab.secret.x", URI, metadata={"tag"})
            with client(port) as nobody:
                for names in bob, nobody:
                    with pytest.raises(NamingError, match=r"unknown name: lab\.secret"):
                        names.lookup("lab.secret.x")
                    assert set(names.list(prefix="lab.")) == {"lab.open"}
                    assert set(names.list(regex=r"lab\..*x|lab\.o")) == {"lab.open"}
                    assert set(names.yplookup(meta_any={"tag"})) == {"lab.open"}
                    found = {entry.name for entry in names.entries("lab.")}
                    assert found == {"lab.open"}
            assert set(alice.list(prefix="lab.")) == {"lab.open", "lab.secret.x"}
            assert program.end() == 0

    def test_a_user_of_this_machine_is_known_on_a_unix_socket(
        self, rules: Path, tmp_path: Path
    ) -> None:
        path = tmp_path / "names.sock"
        program = Program(
            *("-m", "pyro_naming", "-u", path, "-s", "memory", "--access", rules)
        )
        with program:
            program.wait_for("^URI = ")
            settings = Configuration(use_environment=False)
            with locate_ns(f"./u:{path}", config=settings) as names:
                names.register("lab.mine", URI)
                assert names.describe("lab.mine").owner == "me"
            assert program.end() == 0

    def test_a_changed_file_holds_from_the_next_connection_on(
        self, rules: Path
    ) -> None:
        program, port = started("--access", rules)
        with program, client(port, BOB) as bob:
            bob.register("other", URI)
            without_bob = RULES.replace("[clients.bob]", "[clients.robert]")
            rules.write_text(without_bob, "utf-8")
            with client(port) as nobody:
                nobody.ping()
            with pytest.raises(SecurityError):
                bob.register("another", URI)
            assert program.end() == 0

    def test_a_mistake_in_the_file_is_told_at_the_start(self, rules: Path) -> None:
        rules.write_text('[[rules]]\nprefix = "x"\nlook = []', "utf-8")
        with Program(*("-m", "pyro_naming", "-p", "0", "--access", rules)) as program:
            assert program.wait() == 1
        (line,) = program.lines
        assert line.startswith(f"pyro-ns: {rules}: rule 1 (prefix 'x'): unknown look;")

    def test_a_file_that_is_not_there_is_told_at_the_start(self, rules: Path) -> None:
        rules.unlink()
        with Program(*("-m", "pyro_naming", "-p", "0", "--access", rules)) as program:
            assert program.wait() == 1
        (line,) = program.lines
        assert str(rules) in line


PYRO5_CLIENT_WITH_CERTIFICATE = """
import sys
import Pyro5.api

with Pyro5.api.locate_ns("localhost", int(sys.argv[1])) as names:
    names.register("name", "PYRO:object@h:1")
"""

PYRO5_CLIENT = """
import json, sys
import Pyro5.api

def refused(call, *arguments, **keywords):
    try:
        return call(*arguments, **keywords)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

with Pyro5.api.locate_ns("localhost", int(sys.argv[1])) as names:
    found = {
        "lookup": str(names.lookup("lab.one")),
        "secret": refused(names.lookup, "lab.secret.x"),
        "list": sorted(names.list(prefix="lab.")),
        "register": refused(names.register, "lab.two", "PYRO:x@h:1"),
        "remove": refused(names.remove, "lab.one"),
        "open": [names.register("open.x", "PYRO:x@h:1"), names.remove("open.x")],
    }
with Pyro5.api.Proxy(f"PYRO:Pyro.NameServer@localhost:{sys.argv[1]}") as names:
    names._pyroHandshake = {"token": sys.argv[2]}
    found["with token"] = names.register("lab.two", "PYRO:x@h:1")
with Pyro5.api.Proxy(f"PYRO:Pyro.NameServer@localhost:{sys.argv[1]}") as names:
    names._pyroHandshake = {"token": "another-token-of-somebody"}
    found["wrong token"] = refused(lambda: names.ping())
print(json.dumps(found))
"""


def test_clients_of_pyro5_get_what_everybody_may_and_can_show_a_token(
    rules: Path,
) -> None:
    program, port = started("--access", rules)
    with program, client(port, ALICE) as alice:
        alice.register("lab.one", URI)
        alice.register("lab.secret.x", URI)
        output = subprocess.run(
            [pyro5_python(), "-c", PYRO5_CLIENT, str(port), ALICE],
            env=clean_environment(),
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
        assert alice.describe("lab.two").owner == "alice"
        assert program.end() == 0
    found = json.loads(output)
    wrong = found.pop("wrong token")
    assert "does not know this token" in wrong
    assert "may not register" in found.pop("register")
    assert "may not remove" in found.pop("remove")
    assert found == {
        "lookup": URI,
        "secret": "NamingError: unknown name: lab.secret.x",
        "list": ["lab.one"],
        "open": [None, 1],
        "with token": None,
    }


class TestReachability:
    """What is said at the start; nothing is said of what is safe."""

    def lines(self, *options: str | Path, **settings: str) -> list[str]:
        where = ("-p", "0", "-x", "-s", "memory")
        program = Program("-m", "pyro_naming", *where, *options, settings=settings)
        with program:
            program.wait_for("^URI = ")
            assert program.end() == 0
        return [line for line in program.lines if "other machines" in line]

    def test_it_listens_for_this_machine_only_unless_told_otherwise(self) -> None:
        program = Program("-m", "pyro_naming", "-p", "0", "-s", "memory")
        with program:
            program.wait_for(r"^NS running on localhost:\d+ \(127\.0\.0\.1\)$")
            assert program.end() == 0
        assert not any("other machines" in line for line in program.lines)

    def test_it_warns_where_others_can_do_everything(self) -> None:
        (line,) = self.lines("-n", "0.0.0.0")
        assert "neither TLS nor access rules" in line

    def test_it_warns_where_tokens_can_be_read(self, rules: Path) -> None:
        (line,) = self.lines("-n", "0.0.0.0", "--access", rules)
        assert "has no TLS" in line

    def test_it_warns_where_everybody_may_change_names(
        self, server_certificate: Certificate
    ) -> None:
        (line,) = self.lines("-n", "0.0.0.0", **serving_tls(server_certificate))
        assert "serves every client" in line

    def test_it_says_nothing_where_both_protect_it(
        self, server_certificate: Certificate, rules: Path
    ) -> None:
        tls = serving_tls(server_certificate)
        assert self.lines("-n", "0.0.0.0", "--access", rules, **tls) == []

    def test_it_says_nothing_where_certificates_are_demanded(
        self, server_certificate: Certificate
    ) -> None:
        tls = serving_tls(server_certificate, server_certificate)
        assert self.lines("-n", "0.0.0.0", **tls) == []
