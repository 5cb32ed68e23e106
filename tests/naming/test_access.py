from __future__ import annotations

import logging
import os
import pwd
from typing import TYPE_CHECKING, Any

import pytest

from pyro_naming.access import AccessRules
from pyro_protocol.authentication import hash_token
from pyro_protocol.dispatch import ClientConnection, Identity, PeerCredentials
from pyro_protocol.errors import SecurityError

if TYPE_CHECKING:
    from pathlib import Path

ALICE, BOB = "token-of-alice-for-tests", "token-of-bob-for-tests"
CLIENT = ClientConnection(("10.0.0.1", 4444))
FILE = f"""
[clients.alice]
token = "{hash_token(ALICE)}"
roles = ["admin"]

[clients.bob]
token = "{hash_token(BOB)}"

[[rules]]
prefix = ""
register = ["role:admin"]

[[rules]]
prefix = "lab."
register = ["known"]
remove = ["alice"]
force = ["role:admin"]

[[rules]]
prefix = "lab.secret."
lookup = ["bob", "role:admin"]

[[rules]]
prefix = "open."
register = ["*"]
"""
alice, bob = Identity("alice", {"admin"}), Identity("bob")


class Encrypted:
    """The end of a TLS connection whose peer has shown a certificate."""

    def getpeercert(self) -> dict[str, Any]:
        return {"subject": ((("commonName", "carol"),),)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "access.toml"
    path.write_text(FILE, "utf-8")
    return path


@pytest.fixture
def rules(path: Path) -> AccessRules:
    return AccessRules.from_file(path)


class TestClients:
    def test_a_token_says_who_it_is(self, rules: AccessRules) -> None:
        assert rules.authenticate(CLIENT, {"token": ALICE}) == alice
        assert rules.authenticate(CLIENT, {"token": BOB}) == bob

    @pytest.mark.parametrize("handshake", ["hello", None, {}, [], {"other": 1}])
    def test_whoever_shows_nothing_is_nobody(
        self, rules: AccessRules, handshake: Any
    ) -> None:
        assert rules.authenticate(CLIENT, handshake) is None

    @pytest.mark.parametrize("token", ["", "another", None, 7, BOB[:-1], {"token": 1}])
    def test_a_wrong_token_is_refused(self, rules: AccessRules, token: Any) -> None:
        with pytest.raises(SecurityError, match="does not know this token"):
            rules.authenticate(CLIENT, {"token": token})

    def test_a_certificate_says_who_it_is(self) -> None:
        rules = AccessRules({"clients": {"c": {"certificates": ["CN:carol"]}}})
        client = ClientConnection(("10.0.0.1", 4444), tls=Encrypted())
        assert rules.authenticate(client, "hello") == Identity("c")
        assert rules.authenticate(CLIENT, "hello") is None

    @pytest.mark.parametrize("user", [os.getuid(), pwd.getpwuid(os.getuid()).pw_name])
    def test_a_user_of_this_machine_needs_no_secret(self, user: str | int) -> None:
        rules = AccessRules({"clients": {"me": {"users": [user]}}})
        client = ClientConnection("/run/socket")
        client.peer_credentials = PeerCredentials(1, os.getuid(), os.getgid())
        assert rules.authenticate(client, "hello") == Identity("me")
        client.peer_credentials = PeerCredentials(1, os.getuid() + 1, os.getgid())
        assert rules.authenticate(client, "hello") is None

    def test_a_wrong_token_is_refused_whatever_else_the_client_shows(self) -> None:
        rules = AccessRules({"clients": {"c": {"certificates": ["CN:carol"]}}})
        client = ClientConnection(("10.0.0.1", 4444), tls=Encrypted())
        with pytest.raises(SecurityError):
            rules.authenticate(client, {"token": ALICE})

    def test_no_token_is_kept_or_shown(self, path: Path) -> None:
        rules = AccessRules.from_file(path)
        rules.authenticate(CLIENT, {"token": ALICE})
        assert ALICE not in repr(vars(rules))
        assert repr(rules) == f"<AccessRules from {path}: 2 clients>"


class TestRules:
    @pytest.mark.parametrize(
        ("operation", "name", "allowed"),
        [
            ("register", "elsewhere", [alice]),
            ("register", "lab.a", [alice, bob]),
            # Only a longer prefix that mentions the operation counts.
            ("register", "lab.secret.a", [alice, bob]),
            ("register", "open.a", [alice, bob, None]),
            ("register", "open", [alice]),
            ("register", "", [alice]),
            ("remove", "lab.a", [alice]),
            ("remove", "elsewhere", [alice, bob]),
            ("force", "lab.a", [alice]),
            ("force", "elsewhere", []),
            ("lookup", "elsewhere", [alice, bob, None]),
            ("lookup", "lab.secret.a", [alice, bob]),
            ("lookup", "lab.secret", [alice, bob, None]),
            ("lookup", "LAB.SECRET.a", [alice, bob, None]),
        ],
    )
    def test_the_longest_prefix_that_mentions_the_operation_counts(
        self,
        rules: AccessRules,
        operation: str,
        name: str,
        allowed: list[Identity | None],
    ) -> None:
        asked = [alice, bob, None]
        assert [one for one in asked if rules.allows(one, operation, name)] == allowed

    def test_without_rules_all_may_look_up_and_those_in_the_file_may_change(
        self,
    ) -> None:
        rules = AccessRules({"clients": {"bob": {"token": hash_token(BOB)}}})
        allowed = [
            (operation, who)
            for operation in ("lookup", "register", "remove", "force")
            for who in (bob, alice, None)
            if rules.allows(who, operation, "name")
        ]
        assert allowed == [
            *(("lookup", who) for who in (bob, alice, None)),
            *((operation, bob) for operation in ("register", "remove")),
        ]

    def test_an_empty_list_is_nobody(self) -> None:
        rules = AccessRules(
            {
                "clients": {"bob": {"token": hash_token(BOB)}},
                "rules": [{"prefix": "", "lookup": []}],
            }
        )
        assert not rules.allows(bob, "lookup", "name")
        assert not rules.may_see_all(bob)

    def test_who_may_see_all_is_known_without_asking_for_each_name(
        self, rules: AccessRules
    ) -> None:
        assert rules.may_see_all(alice)
        assert rules.may_see_all(bob)
        assert not rules.may_see_all(None)
        assert AccessRules({}).may_see_all(None)

    def test_ten_thousand_prefixes_are_told_apart(self) -> None:
        rules = AccessRules(
            {
                "clients": {"bob": {"token": hash_token(BOB)}},
                "rules": [
                    {"prefix": f"lab.{number}.", "register": ["bob"] * (number % 2)}
                    for number in range(10_000)
                ],
            }
        )
        assert rules.allows(bob, "register", "lab.9999.x")
        assert not rules.allows(bob, "register", "lab.9998.x")
        assert rules.allows(bob, "register", "lab.10001.x")

    def test_an_unknown_operation_is_an_error(self, rules: AccessRules) -> None:
        with pytest.raises(ValueError, match="'fly' is not one of lookup, register"):
            rules.allows(alice, "fly", "name")


class TestMistakes:
    GOOD = f'[clients.a]\ntoken = "{hash_token(ALICE)}"\nroles = ["r"]\n'

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("x = 1\n[clients = 1", "not a TOML file: .*line 2"),
            ("client = 1", "the file: unknown client; expected clients, rules"),
            ("clients = 1", "clients: expected a table, not 1"),
            ("clients.a = 1", r"\[clients.a\]: expected a table, not 1"),
            ("[clients.a]", "at least one of token, certificates, users"),
            ("[clients.a]\ntoken = 1", r"\[clients.a\] token: expected the text of"),
            (
                f"[clients.a]\ntoken = '{ALICE}'",
                r"\[clients.a\] token: not a hash; pyro_protocol.authentication.hash_",
            ),
            (
                "[clients.a]\ncertificates = 'CN:a'",
                r"\[clients.a\] certificates: expected a list, as in certificates = ",
            ),
            (
                "[clients.a]\ncertificates = ['a']",
                r"\[clients.a\] certificates: 'a' is no name in a certificate; expect",
            ),
            ("[clients.a]\ncertificates = [1]", "certificates: expected a list of n"),
            (
                "[clients.a]\nusers = ['nobody has this name']",
                r"\[clients.a\] users: there is no user 'nobody has this name' on",
            ),
            ("[clients.a]\nusers = [true]", r"users: expected a list of names or num"),
            ("[clients.a]\nusers = [0]\nrole = []", r"\[clients.a\]: unknown role; "),
            ("[clients.a]\nusers = [0]\nroles = 'x'", "roles: expected a list of nam"),
            ("[clients.'*']\nusers = [0]", "cannot be named so"),
            ("[clients.known]\nusers = [0]", "cannot be named so"),
            ("[clients.'role:x']\nusers = [0]", "cannot be named so"),
            (
                "[clients.a]\nusers = [0]\n[clients.b]\nusers = [0]",
                r"\[clients.b\] users: the client a has the same",
            ),
            ("rules = {}", r"rules: expected tables, each under its own \[\[rules\]\]"),
            ("rules = [1]", "rule 1: expected a table, not 1"),
            ("[[rules]]\nlookup = []", "rule 1: expected a prefix, as in prefix = "),
            ("[[rules]]\nprefix = 1", "rule 1: expected a prefix"),
            (
                "[[rules]]\nprefix = ''",
                r"rule 1 \(prefix ''\): expected at least one of force, lookup, regi",
            ),
            (
                "[[rules]]\nprefix = 'x'\nlook_up = []",
                r"rule 1 \(prefix 'x'\): unknown look_up; expected force, lookup, pre",
            ),
            (
                "[[rules]]\nprefix = 'x'\nlookup = 'a'",
                r"rule 1 \(prefix 'x'\) lookup: expected a list of names of clients, ",
            ),
            (
                f"{GOOD}[[rules]]\nprefix = 'x'\nlookup = ['b']",
                "lookup: there is no client b; expected one of a$",
            ),
            (
                f"{GOOD}[[rules]]\nprefix = 'x'\nlookup = ['role:q']",
                "lookup: no client has the role q; expected one of r$",
            ),
            (
                "[[rules]]\nprefix = 'x'\nlookup = []\n" * 2,
                r"rule 2 \(prefix 'x'\) lookup: an earlier rule with this prefix",
            ),
        ],
    )
    def test_a_mistake_is_told_with_its_place(
        self, tmp_path: Path, text: str, told: str
    ) -> None:
        path = tmp_path / "wrong.toml"
        path.write_text(text, "utf-8")
        with pytest.raises(ValueError, match=rf"wrong\.toml: .*{told}") as caught:
            AccessRules.from_file(path)
        assert ALICE not in str(caught.value)

    def test_a_file_that_is_not_text_is_a_mistake(self, tmp_path: Path) -> None:
        path = tmp_path / "wrong.toml"
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ValueError, match="not a TOML file"):
            AccessRules.from_file(path)

    def test_a_file_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            AccessRules.from_file(tmp_path / "missing.toml")


class TestReading:
    """The file is looked at again when a client connects."""

    def test_a_changed_file_holds_for_clients_that_are_connected(
        self, path: Path, rules: AccessRules
    ) -> None:
        identity = rules.authenticate(CLIENT, {"token": BOB})
        assert rules.allows(identity, "register", "lab.a")
        without_bob = FILE.replace("[clients.bob]", "[clients.robert]")
        path.write_text(without_bob.replace('"bob"', '"robert"'), "utf-8")
        rules.authenticate(CLIENT, "hello")
        assert not rules.allows(identity, "register", "lab.a")
        assert rules.allows(Identity("robert"), "register", "lab.a")

    def test_a_role_that_was_taken_away_is_gone_at_once(
        self, path: Path, rules: AccessRules
    ) -> None:
        path.write_text(FILE.replace('"admin"', '"admin", "more"'), "utf-8")
        rules.authenticate(CLIENT, "hello")
        assert rules.allows(alice, "force", "lab.a")
        path.write_text(FILE.replace("role:admin", "alice"), "utf-8")
        rules.reload()
        assert rules.allows(Identity("alice"), "force", "lab.a")

    def test_a_file_with_a_mistake_changes_nothing_and_is_logged_once(
        self, path: Path, rules: AccessRules, caplog: pytest.LogCaptureFixture
    ) -> None:
        path.write_text("mistake = 1", "utf-8")
        with caplog.at_level(logging.ERROR, "pyro.naming"):
            for _ in range(3):
                assert rules.authenticate(CLIENT, {"token": BOB}) == bob
        (record,) = caplog.records
        assert "unknown mistake" in record.getMessage()
        assert rules.allows(bob, "register", "lab.a")

    def test_a_file_that_has_gone_changes_nothing(
        self, path: Path, rules: AccessRules
    ) -> None:
        path.unlink()
        assert rules.authenticate(CLIENT, {"token": BOB}) == bob

    def test_rules_without_a_file_stay_as_they_are(self) -> None:
        rules = AccessRules({})
        rules.reload()
        assert rules.authenticate(CLIENT, "hello") is None
