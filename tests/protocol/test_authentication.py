from __future__ import annotations

import logging
import os
import pickle
import pwd
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol.authentication import (
    AnyOf,
    CertificateAuthentication,
    TokenAuthentication,
    UserAuthentication,
    hash_token,
)
from pyro_protocol.dispatch import ClientConnection, Identity, PeerCredentials
from pyro_protocol.errors import SecurityError

if TYPE_CHECKING:
    from pathlib import Path

BOB = Identity("bob", {"admin", "user"})
EVE = Identity("eve")
BOBS, EVES = "token-of-bob-for-tests", "token-of-eve-for-tests"
CLIENT = ClientConnection(("10.0.0.1", 4444))


class TestTokens:
    def test_the_owner_of_a_token_is_found(self) -> None:
        known = TokenAuthentication({BOBS: BOB, EVES: EVE})

        assert known(CLIENT, {"token": BOBS}) is BOB
        assert known(CLIENT, {"token": EVES}) is EVE

    @pytest.mark.parametrize(
        "handshake",
        [
            "hello",
            None,
            BOBS,
            [BOBS],
            {},
            {"Token": BOBS},
            {"token": None},
            {"token": BOBS.encode()},
            {"token": ""},
            {"token": BOBS[:-1]},
            {"token": f"{BOBS} "},
            {"token": BOBS.swapcase()},
            {"token": "\ud800"},
            {"token": {"token": BOBS}},
        ],
    )
    def test_anything_else_is_nobody(self, handshake: Any) -> None:
        assert TokenAuthentication({BOBS: BOB})(CLIENT, handshake) is None

    def test_tokens_are_not_kept(self) -> None:
        known = TokenAuthentication({BOBS: BOB})

        assert BOBS not in repr(known)
        assert BOBS not in repr(vars(known))

    def test_a_short_token_is_refused(self) -> None:
        with pytest.raises(ValueError, match="at least 16 characters") as caught:
            TokenAuthentication({"hunter2": BOB})
        assert "hunter2" not in str(caught.value)

    def test_hashes_are_enough(self) -> None:
        known = TokenAuthentication.from_hashes({hash_token(BOBS): BOB})

        assert known(CLIENT, {"token": BOBS}) is BOB
        assert known(CLIENT, {"token": EVES}) is None
        with pytest.raises(ValueError, match="not a hash"):
            TokenAuthentication.from_hashes({BOBS: BOB})

    def test_a_file_holds_the_hashes(self, tmp_path: Path) -> None:
        path = tmp_path / "tokens"
        path.write_text(
            "# who may come in\n\n"
            f"{hash_token(BOBS)} bob admin,user\n"
            f"  {hash_token(EVES).upper()}\teve\n",
            "utf-8",
        )

        known = TokenAuthentication.from_file(path)

        assert known(CLIENT, {"token": BOBS}) == BOB
        assert known(CLIENT, {"token": EVES}) == EVE
        assert known(CLIENT, {"token": hash_token(BOBS)}) is None

    def test_a_token_says_whose_it_is(self) -> None:
        known = TokenAuthentication({BOBS: BOB})

        assert known.identity_of(BOBS) is BOB
        assert known.identity_of(EVES) is None

    def test_it_can_be_handed_to_a_worker_process(self) -> None:
        known = TokenAuthentication({BOBS: BOB})

        assert pickle.loads(pickle.dumps(known)).identity_of(BOBS) == BOB

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            (BOBS, "expected a hash, a name and roles"),
            (f"{BOBS} bob", "the first field is not a hash"),
            (f"{hash_token(BOBS)[:-2]} bob", "the first field is not a hash"),
            (hash_token(BOBS), "expected a hash, a name and roles"),
            (f"{hash_token(BOBS)} bob admin user", "expected a hash, a name and roles"),
        ],
    )
    def test_a_bad_line_is_named_but_not_shown(
        self, tmp_path: Path, line: str, fault: str
    ) -> None:
        path = tmp_path / "tokens"
        path.write_text(f"# tokens\n{line}\n", "utf-8")

        with pytest.raises(ValueError, match=f"tokens, line 2: {fault}") as caught:
            TokenAuthentication.from_file(path)
        assert BOBS not in str(caught.value)


class Encrypted:
    def __init__(self, certificate: Any) -> None:
        self.certificate = certificate

    def getpeercert(self) -> Any:
        return self.certificate


CERTIFICATE: Any = {
    "subject": ((("countryName", "NL"),), (("commonName", "bob"),)),
    "subjectAltName": (
        ("DNS", "bob.example"),
        ("email", "bob@example.org"),
        ("URI", "spiffe://example/bob"),
        ("IP Address", "10.0.0.7"),
    ),
}


class TestCertificates:
    @pytest.mark.parametrize(
        "name",
        [
            "CN:bob",
            "DNS:bob.example",
            "email:bob@example.org",
            "URI:spiffe://example/bob",
            "IP:10.0.0.7",
        ],
    )
    def test_the_owner_of_a_certificate_is_found(self, name: str) -> None:
        known = CertificateAuthentication({name: BOB})
        client = ClientConnection(tls=Encrypted(CERTIFICATE))

        assert known(client, "hello") is BOB

    @pytest.mark.parametrize(
        "name", ["CN:bob.example", "DNS:bob", "CN:NL", "DNS:10.0.0.7", "CN:Bob"]
    )
    def test_a_name_counts_only_as_what_it_is(self, name: str) -> None:
        known = CertificateAuthentication({name: BOB})
        client = ClientConnection(tls=Encrypted(CERTIFICATE))

        assert known(client, "hello") is None

    @pytest.mark.parametrize("certificate", [None, {}, {"subject": ()}])
    def test_without_a_verified_certificate_it_is_nobody(
        self, certificate: Any
    ) -> None:
        known = CertificateAuthentication({"CN:bob": BOB})

        assert known(ClientConnection(tls=Encrypted(certificate)), "hello") is None
        assert known(ClientConnection(), "hello") is None

    @pytest.mark.parametrize("name", ["bob", "CN:", "cn:bob", "O:lab", ""])
    def test_other_names_are_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="is no name in a certificate"):
            CertificateAuthentication({name: BOB})


class TestUsers:
    def client(self, uid: int) -> ClientConnection:
        client = ClientConnection("")
        client.peer_credentials = PeerCredentials(1, uid, 1)
        return client

    def test_a_user_is_found_by_number_or_name(self) -> None:
        own = pwd.getpwuid(os.getuid()).pw_name
        known = UserAuthentication({own: BOB, 54321: EVE})

        assert known(self.client(os.getuid()), "hello") is BOB
        assert known(self.client(54321), "hello") is EVE
        assert known(self.client(54322), "hello") is None

    def test_whoever_comes_over_the_network_is_nobody(self) -> None:
        assert UserAuthentication({0: BOB})(CLIENT, "hello") is None

    def test_an_unknown_user_is_refused(self) -> None:
        with pytest.raises(ValueError, match="there is no user 'no such user'"):
            UserAuthentication({"no such user": BOB})


class TestAnyOf:
    def test_the_first_way_that_knows_the_client_counts(self) -> None:
        known = AnyOf(
            TokenAuthentication({BOBS: BOB}),
            lambda _client, handshake: EVE if handshake == "hello" else None,
        )

        assert known(CLIENT, {"token": BOBS}) is BOB
        assert known(CLIENT, "hello") is EVE
        assert known(CLIENT, "good day") is None

    def test_one_that_refuses_ends_the_search(self) -> None:
        def refuse(_client: ClientConnection, _handshake: Any) -> Identity | None:
            raise SecurityError("no")

        with pytest.raises(SecurityError, match="no"):
            AnyOf(refuse, lambda _client, _handshake: EVE)(CLIENT, "hello")

    def test_without_ways_everybody_is_nobody(self) -> None:
        assert AnyOf()(CLIENT, "hello") is None


def test_nothing_of_a_credential_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        TokenAuthentication({BOBS: BOB})(CLIENT, {"token": EVES})

    assert caplog.text == ""
