"""Who gets in."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pyro_httpgw.admission.admission import FAILURES, SMALLEST_BURST, Admission
from pyro_httpgw.errors import RequestRefusedError
from pyro_httpgw.messages import Request
from pyro_httpgw.settings import Settings
from support.clock import Clock

OPEN = Settings(re.compile(r"http\."))
LOCKED = replace(OPEN, gateway_key=b"secret")
CLIENT = "192.0.2.1"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admission(clock: Clock) -> Admission:
    return Admission(clock)


def present(admission: Admission, key: str | None, client: str = CLIENT) -> bool:
    headers = {} if key is None else {"x-pyro-gateway-key": key}
    request = Request("GET", "/pyro/", headers=headers, client=client)
    return admission.authenticate(request, {}, LOCKED).authenticated


def refused_with(admission: Admission, key: str | None, client: str = CLIENT) -> int:
    with pytest.raises(RequestRefusedError) as caught:
        present(admission, key, client)
    return caught.value.status


def test_without_a_key_everybody_passes_and_the_parameter_stays(
    admission: Admission,
) -> None:
    parameters = {"$key": ["x"]}
    caller = admission.authenticate(Request("GET", "/"), parameters, OPEN)
    assert not caller.authenticated
    assert parameters == {"$key": ["x"]}


def test_whoever_presents_nothing_is_asked_for_a_token(admission: Admission) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        present(admission, None)
    assert caught.value.status == 401
    assert dict(caught.value.headers)["WWW-Authenticate"] == 'Bearer realm="pyro"'


def test_nobody_can_guess_keys_for_long(admission: Admission, clock: Clock) -> None:
    for _ in range(FAILURES):
        assert refused_with(admission, "wrong") == 403
    with pytest.raises(RequestRefusedError) as caught:
        present(admission, "wrong")
    assert caught.value.status == 429
    assert caught.value.headers == (("Retry-After", "6"),)
    # Or the right one would show.
    assert refused_with(admission, "secret") == 429
    clock.now += 6.0
    assert refused_with(admission, "wrong") == 403
    assert refused_with(admission, "wrong") == 429
    clock.now += 6.0
    assert present(admission, "secret")


def test_who_guesses_does_not_lock_out_others(admission: Admission) -> None:
    for _ in range(FAILURES + 1):
        refused_with(admission, "wrong")
    assert present(admission, "secret", "192.0.2.2")


def test_presenting_nothing_or_the_right_key_is_no_failure(
    admission: Admission,
) -> None:
    for _ in range(FAILURES * 2):
        assert refused_with(admission, None) == 401
        assert present(admission, "secret")


def test_a_client_can_be_kept_to_a_rate(admission: Admission, clock: Clock) -> None:
    for _ in range(int(SMALLEST_BURST)):
        admission.check_rate(CLIENT, 0.25)
    with pytest.raises(RequestRefusedError) as caught:
        admission.check_rate(CLIENT, 0.25)
    assert caught.value.status == 429
    assert caught.value.headers == (("Retry-After", "4"),)
    admission.check_rate("192.0.2.2", 0.25)
    clock.now += 4.0
    admission.check_rate(CLIENT, 0.25)


def test_a_new_rate_counts_at_once(admission: Admission) -> None:
    for _ in range(int(SMALLEST_BURST)):
        admission.check_rate(CLIENT, 1.0)
    admission.check_rate(CLIENT, 100.0)


def test_there_is_room_for_so_many_requests(admission: Admission) -> None:
    admission.in_flight = 2
    admission.check_room(2)
    admission.in_flight = 3
    with pytest.raises(RequestRefusedError, match="2 requests in hand") as caught:
        admission.check_room(2)
    assert caught.value.status == 503
    assert caught.value.headers == (("Retry-After", "1"),)
