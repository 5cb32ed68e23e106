from __future__ import annotations

import logging
from typing import Any

import pytest

from pyro_protocol.dispatch import ClientConnection, Identity, PeerCredentials
from pyro_protocol.errors import SecurityError
from pyro_server.admission import Admission, FailureLimit

BOB = Identity("bob")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> FailureLimit:
    return FailureLimit(clock, allowed=3, window=60, pause=30, most=4)


class TestFailureLimit:
    def test_a_few_failures_are_nothing(self, limit: FailureLimit) -> None:
        assert not limit.refuses("there")
        assert not limit.failed("there")
        assert not limit.failed("there")
        assert not limit.refuses("there")

    def test_too_many_are_refused_for_a_while(
        self, limit: FailureLimit, clock: Clock
    ) -> None:
        results = [limit.failed("there") for _ in range(3)]

        assert results == [False, False, True]
        assert limit.refuses("there")
        assert not limit.refuses("elsewhere")
        clock.now += 29
        assert limit.refuses("there")
        clock.now += 1
        assert not limit.refuses("there")
        assert not limit.failed("there")

    def test_failures_are_forgotten_after_a_while(
        self, limit: FailureLimit, clock: Clock
    ) -> None:
        for _ in range(10):
            assert not limit.failed("there")
            clock.now += 31
        assert not limit.refuses("there")

    def test_only_so_many_addresses_are_remembered(self, limit: FailureLimit) -> None:
        for number in range(100):
            limit.failed(number)
        assert len(limit) == 4

        for number in range(100):
            for _ in range(3):
                limit.failed(number)
        assert len(limit) <= 8
        assert limit.refuses(99)


class TestAdmission:
    def client(self, address: Any = ("10.0.0.1", 4444)) -> ClientConnection:
        return ClientConnection(address)

    def refusal(
        self, admission: Admission, client: ClientConnection | None = None
    ) -> str:
        with pytest.raises(SecurityError) as caught:
            admission.admit(client or self.client(), "value")
        return str(caught.value)

    def test_who_is_known_gets_an_identity(self) -> None:
        asked: list[object] = []

        def authenticate(client: ClientConnection, handshake: Any) -> Identity:
            asked.append((client, handshake))
            return BOB

        client = self.client()
        Admission(authenticate).admit(client, {"token": "x"})

        assert client.identity is BOB
        assert asked == [(client, {"token": "x"})]

    def test_who_is_not_known_is_refused_and_not_told_why(self) -> None:
        admission = Admission(lambda _client, _handshake: None)
        client = self.client()

        assert self.refusal(admission, client) == "authentication failed"
        assert client.identity is None

    def test_the_program_can_say_why(self) -> None:
        def authenticate(_client: ClientConnection, _handshake: Any) -> Identity:
            raise SecurityError("this token has expired")

        assert self.refusal(Admission(authenticate)) == "this token has expired"

    @pytest.mark.parametrize("failure", [KeyError, SystemExit])
    def test_a_program_that_fails_lets_nobody_in_and_logs_no_credential(
        self, failure: type[BaseException], caplog: pytest.LogCaptureFixture
    ) -> None:
        def authenticate(_client: ClientConnection, handshake: Any) -> Identity:
            raise failure(f"credential: {handshake}")

        text = self.refusal(Admission(authenticate))

        assert text == "authentication failed"
        assert f"failed with {failure.__name__} at {__file__}:" in caplog.text
        assert "credential:" not in caplog.text

    @pytest.mark.parametrize("wrong", [True, False, "bob", {"name": "bob"}])
    def test_whatever_else_is_returned_lets_nobody_in(
        self, wrong: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        admission = Admission(lambda _client, _handshake: wrong)

        assert self.refusal(admission) == "authentication failed"
        assert "must return an Identity or None" in caplog.text

    def test_a_coroutine_lets_nobody_in(self, caplog: pytest.LogCaptureFixture) -> None:
        async def authenticate(_client: ClientConnection, _data: Any) -> Identity:
            return BOB

        wrong: Any = authenticate
        assert self.refusal(Admission(wrong)) == "authentication failed"
        assert "not coroutine" in caplog.text

    def test_who_fails_too_often_is_not_even_asked(
        self, limit: FailureLimit, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        asked: list[object] = []

        def authenticate(_client: ClientConnection, handshake: Any) -> Identity | None:
            asked.append(handshake)
            return BOB if handshake == "right" else None

        admission = Admission(authenticate, limit)
        with caplog.at_level(logging.WARNING, "pyro.server"):
            for _ in range(3):
                self.refusal(admission)
        assert "attempts to authenticate from 10.0.0.1 are refused" in caplog.text

        with pytest.raises(SecurityError, match="too many attempts"):
            admission.admit(self.client(("10.0.0.1", 5555)), "right")
        assert len(asked) == 3
        admission.admit(self.client(("10.0.0.2", 4444)), "right")

        clock.now += 30
        admission.admit(self.client(), "right")

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            (("10.0.0.1", 1), ("10.0.0.1", 2), True),
            (("10.0.0.1", 1), ("10.0.0.2", 1), False),
            (("10.0.0.1", 1), ("::ffff:10.0.0.1", 1, 0, 0), True),
            (("2001:db8::1", 1, 0, 0), ("2001:db8::2:3", 1, 0, 0), True),
            (("2001:db8::1", 1, 0, 0), ("2001:db8:1::1", 1, 0, 0), False),
            (("fe80::1%eth0", 1, 0, 2), ("fe80::2", 1, 0, 2), True),
            ("", "", True),
            ("", ("10.0.0.1", 1), False),
        ],
    )
    def test_attempts_are_counted_by_who_makes_them(
        self, limit: FailureLimit, one: Any, other: Any, same: bool
    ) -> None:
        admission = Admission(lambda _client, _handshake: None, limit)
        for _ in range(3):
            self.refusal(admission, self.client(one))

        text = self.refusal(admission, self.client(other))
        assert text.startswith("too many attempts") is same

    def test_local_users_are_counted_apart(self, limit: FailureLimit) -> None:
        admission = Admission(lambda _client, _handshake: None, limit)
        for uid, expected in [(1, 3), (2, 3)]:
            texts = []
            for _ in range(4):
                client = self.client("")
                client.peer_credentials = PeerCredentials(1, uid, 1)
                texts.append(self.refusal(admission, client))
            assert texts.count("authentication failed") == expected

    def test_an_identity_does_not_outlive_a_refusal(self) -> None:
        client = self.client()
        client.identity = BOB

        self.refusal(Admission(lambda _client, _handshake: None), client)

        assert client.identity is None
