"""Trying calls again: what is repeated, what never is, and when it is given up."""

from __future__ import annotations

import copy
import ssl
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy, RetryPolicy, batch, with_timeout
from pyro_protocol import Configuration, expose, idempotent
from pyro_protocol.errors import (
    CommunicationError,
    ConnectionClosedError,
    MessageTooLargeError,
    NamingError,
    PyroError,
    RemoteProtocolError,
    SecurityError,
    SerializeError,
    ServerBusyError,
    TimeoutError,  # noqa: A004 - the documented name
)
from pyro_protocol.wire import FLAG_EXCEPTION
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer
from support.workbench import Workbench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AT_ONCE = RetryPolicy(first_delay=0.0)
LONG = 60.0


def not_sent(error: CommunicationError) -> CommunicationError:
    error.outcome = "not_sent"
    return error


def caused_by(error: CommunicationError, cause: Exception) -> CommunicationError:
    error.__cause__ = cause
    return error


def raised_remotely(error: Exception) -> Exception:
    error._pyroTraceback = ["there\n"]  # type: ignore[attr-defined] # documented
    return error


# The plan


@pytest.mark.parametrize(
    "error",
    [
        not_sent(ConnectionClosedError("while sending")),
        not_sent(TimeoutError("while connecting")),
        not_sent(caused_by(CommunicationError("cannot connect"), OSError("refused"))),
        not_sent(CommunicationError("rejected: no free workers, increase something")),
        ServerBusyError("try later"),
    ],
    ids=str,
)
def test_what_certainly_was_not_run_is_tried_again(error: Exception) -> None:
    assert AT_ONCE.start().failed(error, idempotent=False) == 0.0
    assert not AT_ONCE.start().depends(error)


@pytest.mark.parametrize(
    "error", [ConnectionClosedError("lost"), TimeoutError("silent")], ids=str
)
def test_what_may_have_been_run_is_tried_again_if_that_does_no_harm(
    error: Exception,
) -> None:
    assert AT_ONCE.start().depends(error)
    assert AT_ONCE.start().failed(error, idempotent=True) == 0.0
    assert AT_ONCE.start().failed(error, idempotent=False) is None


@pytest.mark.parametrize(
    "error",
    [
        ValueError("of the method"),
        raised_remotely(ConnectionClosedError("passed on")),
        raised_remotely(not_sent(ConnectionClosedError("passed on, not sent"))),
        not_sent(CommunicationError("connection rejected: wrong token")),
        not_sent(
            caused_by(
                CommunicationError("cannot connect"),
                ssl.SSLCertVerificationError(1, "self-signed"),
            )
        ),
        not_sent(SerializeError("cannot be sent")),
        not_sent(MessageTooLargeError("too large")),
        RemoteProtocolError("not understood"),
        SecurityError("no"),
        NamingError("unknown name"),
    ],
    ids=str,
)
def test_what_would_fail_again_is_not_tried_again(error: Exception) -> None:
    assert not AT_ONCE.start().depends(error)
    assert AT_ONCE.start().failed(error, idempotent=True) is None


def test_a_busy_error_that_a_method_has_raised_may_come_after_half_of_its_work() -> (
    None
):
    error = raised_remotely(ServerBusyError("another server is busy"))
    assert AT_ONCE.start().failed(error, idempotent=False) is None
    assert AT_ONCE.start().failed(error, idempotent=True) == 0.0


def test_names_that_are_not_found_are_tried_again_on_request() -> None:
    policy = RetryPolicy(errors=(*AT_ONCE.errors, NamingError), first_delay=0.0)
    assert policy.start().failed(NamingError("unknown"), idempotent=True) == 0.0


def test_after_so_many_attempts_the_plan_gives_up() -> None:
    plan = RetryPolicy(attempts=3, first_delay=0.0).start()
    error = ServerBusyError("busy")
    assert [plan.failed(error, idempotent=False) for _ in range(3)] == [0.0, 0.0, None]
    assert plan.failures == 3


def test_the_pauses_grow_up_to_the_longest() -> None:
    policy = RetryPolicy(attempts=9, first_delay=1.0, max_delay=10.0, jitter=0.0)
    plan = policy.start()
    error = ServerBusyError("busy")
    pauses = [plan.failed(error, idempotent=False) for _ in range(6)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize(
    ("jitter", "drawn", "pause"),
    [(1.0, 0.0, 0.0), (1.0, 0.25, 2.0), (0.5, 0.0, 4.0), (0.5, 1.0, 8.0)],
)
def test_a_part_of_each_pause_is_random(
    jitter: float, drawn: float, pause: float
) -> None:
    policy = RetryPolicy(first_delay=8.0, jitter=jitter)
    plan = policy.start(random=lambda: drawn)
    assert plan.failed(ServerBusyError("busy"), idempotent=False) == pause


def test_clients_that_fail_together_do_not_come_back_together() -> None:
    policy = RetryPolicy(first_delay=10.0)
    error = ServerBusyError("busy")
    pauses = sorted(
        policy.start().failed(error, idempotent=False) or 0.0 for _ in range(20)
    )
    assert all(0.0 <= pause <= 10.0 for pause in pauses)
    assert all(one != other for one, other in pairwise(pauses))


@pytest.mark.parametrize(("remaining", "pause"), [(1.0, None), (2.0, None), (3.0, 2.0)])
def test_no_pause_is_begun_that_the_deadline_would_end(
    remaining: float, pause: float | None
) -> None:
    plan = RetryPolicy(first_delay=2.0, jitter=0.0).start()
    assert (
        plan.failed(ServerBusyError("busy"), idempotent=False, remaining=remaining)
        == pause
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"first_delay": -1.0},
        {"max_delay": -1.0},
        {"factor": 0.5},
        {"jitter": 1.5},
        {"try_timeout": 0.0},
        {"idempotent": "name"},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    (name,) = list(wrong)[:1]
    with pytest.raises(ValueError, match=name):
        RetryPolicy(**wrong)


# The proxy


def die(peer: Peer) -> None:
    peer.admit(attributes=["level"])
    peer.receive()


def refuse_busy(peer: Peer) -> None:
    peer.refuse("no free workers, increase server threadpool size")


def serve(peer: Peer) -> None:
    peer.admit(attributes=["level"])
    answer_calls(peer)


def answer_calls(peer: Peer) -> None:
    """Add numbers, and tell that this is idempotent, until the client goes."""
    while True:
        try:
            request = peer.receive()
        except EOFError:
            return
        _object, method, args, _kwargs = peer.call_of(request)
        if method == "get_description":
            peer.answer(request, {"methods": [{"name": "add", "idempotent": True}]})
        else:
            peer.answer(request, 7 if method == "__getattr__" else sum(args))


def serve_silently(peer: Peer) -> None:
    peer.admit()
    peer.receive()
    peer.wait_for_end()


def test_without_retries_a_call_is_sent_once() -> None:
    with (
        ScriptedServer(die) as server,
        Proxy(server.uri) as proxy,
        pytest.raises(ConnectionClosedError),
    ):
        proxy.add(1, 2)


@pytest.mark.parametrize("scripts", [[die, serve], [die, die, serve]])
def test_a_lost_connection_is_tried_again_as_often_as_asked(
    scripts: list[Callable[[Peer], object]],
) -> None:
    with ScriptedServer(*scripts) as server, Proxy(server.uri) as proxy:
        proxy._pyroMaxRetries = len(scripts)
        assert proxy.add(1, 2) == 3


def test_after_the_last_retry_the_error_is_raised() -> None:
    with ScriptedServer(die, die, die) as server, Proxy(server.uri) as proxy:
        proxy._pyroMaxRetries = 2
        with pytest.raises(ConnectionClosedError):
            proxy.add(1, 2)


def test_a_timeout_is_tried_again() -> None:
    with ScriptedServer(serve_silently, serve) as server, Proxy(server.uri) as proxy:
        proxy._pyroBind()
        proxy._pyroMaxRetries = 1
        # For the second attempt it must be long enough, handshake and all.
        proxy._pyroTimeout = 2.0
        assert proxy.add(1, 2) == 3


def test_each_try_may_have_a_timeout_of_its_own() -> None:
    with ScriptedServer(serve_silently, serve) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = RetryPolicy(first_delay=0.0, try_timeout=2.0)
        proxy._pyroTimeout = LONG
        assert proxy.add(1, 2) == 3


def test_with_a_policy_the_timeout_is_for_all_tries_together() -> None:
    with ScriptedServer(serve_silently) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = RetryPolicy(attempts=100, idempotent=["add"])
        proxy._pyroTimeout = 0.2
        with pytest.raises(TimeoutError):
            proxy.add(1, 2)


def test_a_call_is_not_tried_again_if_its_time_would_end_before(
    closed_location: str,
) -> None:
    proxy = Proxy(f"PYRO:bench@{closed_location}")
    proxy._pyroRetryPolicy = RetryPolicy(first_delay=LONG, max_delay=LONG, jitter=0.0)
    proxy._pyroTimeout = 1.0
    with pytest.raises(CommunicationError, match="cannot connect"):
        proxy.add(1, 2)


def test_attributes_and_batches_are_not_tried_again_without_a_policy() -> None:
    with ScriptedServer(die, die) as server, Proxy(server.uri) as proxy:
        proxy._pyroMaxRetries = 3
        with pytest.raises(ConnectionClosedError):
            proxy.level  # noqa: B018 - reading it is the point
        collected = proxy._pyroBatch()
        collected.add(1, 2)
        with pytest.raises(ConnectionClosedError):
            collected()


def test_with_a_policy_reading_an_attribute_is_tried_again() -> None:
    with ScriptedServer(die, serve) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = AT_ONCE
        assert proxy.level == 7


def test_writing_an_attribute_is_tried_again_only_if_it_was_not_done() -> None:
    with ScriptedServer(die, serve) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = AT_ONCE
        with pytest.raises(ConnectionClosedError):
            proxy.level = 7


def test_a_batch_is_tried_again_only_if_nothing_of_it_was_run() -> None:
    with ScriptedServer(refuse_busy, die) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = AT_ONCE
        collected = batch(proxy)
        collected.add(1, 2)
        with pytest.raises(ConnectionClosedError):
            collected()


def test_a_refused_connection_is_not_tried_again_without_a_policy(
    closed_location: str,
) -> None:
    proxy = Proxy(f"PYRO:bench@{closed_location}")
    proxy._pyroMaxRetries = 3
    with pytest.raises(CommunicationError, match="cannot connect"):
        proxy.add(1, 2)


def test_a_server_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    proxy = Proxy(f"PYRO:bench@./u:{path}")
    with pytest.raises(CommunicationError, match="cannot connect"):
        proxy.add(1, 2)
    proxy._pyroRetryPolicy = RetryPolicy(attempts=10_000, max_delay=0.1)
    with ThreadPoolExecutor(1) as pool, proxy:
        call = pool.submit(lambda: proxy.add(1, 2))
        with HostThread(unixsocket=path) as host:
            host.register(Workbench(), "bench")
            assert call.result(DEADLINE) == 3


def test_a_busy_server_is_asked_again() -> None:
    with ScriptedServer(refuse_busy, serve) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = AT_ONCE
        assert proxy.add(1, 2) == 3


def test_a_server_that_does_not_want_us_is_not_asked_again() -> None:
    with (
        ScriptedServer(lambda peer: peer.refuse("wrong token")) as server,
        Proxy(server.uri) as proxy,
    ):
        proxy._pyroRetryPolicy = AT_ONCE
        with pytest.raises(CommunicationError, match="wrong token"):
            proxy.add(1, 2)


@pytest.mark.parametrize("error", [TimeoutError, ConnectionClosedError])
def test_a_communication_error_of_the_remote_object_is_not_tried_again(
    host: HostThread, error: type[CommunicationError]
) -> None:
    calls: list[int] = []

    @expose
    class Relay:
        @idempotent
        def ask(self, number: int) -> int:
            calls.append(number)
            if number:
                raise error("raised by the method itself")
            return number

    host.register(Relay(), "relay")
    with Proxy(f"PYRO:relay@{host.location}") as relay:
        relay._pyroMaxRetries = 3
        with pytest.raises(error, match="the method itself"):
            relay.ask(1)
        assert relay._pyroConnection is not None
        assert relay.ask(0) == 0
    assert calls == [1, 0]


def test_what_the_program_calls_harmless_is_tried_again() -> None:
    def serve_pyro5(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        assert peer.call_of(request)[1] == "add"
        peer.answer(request, 3)
        peer.wait_for_end()

    with ScriptedServer(die, serve_pyro5) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = RetryPolicy(first_delay=0.0, idempotent=["add"])
        assert proxy.add(1, 2) == 3


def test_a_server_that_does_not_describe_its_objects_has_nothing_harmless() -> None:
    def serve_pyro5(peer: Peer) -> None:
        peer.admit()
        request = peer.receive()
        assert peer.call_of(request)[:2] == ("Pyro.Daemon", "get_description")
        error = raised_remotely(AttributeError("no exposed method"))
        peer.answer(request, error, flags=FLAG_EXCEPTION)
        peer.wait_for_end()

    with ScriptedServer(die, serve_pyro5) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = AT_ONCE
        with pytest.raises(ConnectionClosedError, match="before it answered"):
            proxy.add(1, 2)


@pytest.mark.parametrize(
    "description",
    [None, [], {"methods": 1}, {"methods": [1, {"idempotent": True}]}, {"methods": {}}],
    ids=str,
)
def test_a_description_of_another_form_makes_nothing_harmless(
    description: object,
) -> None:
    def describe(peer: Peer) -> None:
        peer.admit()
        peer.answer(peer.receive(), description)
        peer.wait_for_end()

    with ScriptedServer(die, describe) as server, Proxy(server.uri) as proxy:
        proxy._pyroRetryPolicy = AT_ONCE
        with pytest.raises(ConnectionClosedError, match="before it answered"):
            proxy.add(1, 2)


def test_the_policy_goes_before_the_number_of_retries() -> None:
    with ScriptedServer(die) as server, Proxy(server.uri) as proxy:
        proxy._pyroMaxRetries = 3
        proxy._pyroRetryPolicy = RetryPolicy(attempts=1)
        with pytest.raises(ConnectionClosedError):
            proxy.add(1, 2)


def test_a_copy_of_a_proxy_has_its_policy(uri: str) -> None:
    proxy = Proxy(uri)
    assert proxy._pyroRetryPolicy is None
    proxy._pyroRetryPolicy = AT_ONCE
    assert copy.copy(proxy)._pyroRetryPolicy is AT_ONCE


def test_a_name_without_a_name_server_is_not_tried_again(closed_location: str) -> None:
    config = Configuration(use_environment=False)
    proxy = Proxy(f"PYRONAME:bench@{closed_location}", config=config)
    proxy._pyroRetryPolicy = RetryPolicy(attempts=100, first_delay=LONG, max_delay=LONG)
    with pytest.raises(PyroError):
        proxy.add(1, 2)


def test_a_time_limit_for_single_calls_is_for_all_tries_together() -> None:
    with ScriptedServer(serve_silently) as server, Proxy(server.uri) as proxy:
        proxy._pyroBind()
        proxy._pyroMaxRetries = 100
        with pytest.raises(TimeoutError):
            with_timeout(proxy, 0.2).add(1, 2)
        proxy._pyroRelease()


def test_a_time_limit_for_single_calls_goes_before_that_of_the_proxy(
    closed_location: str,
) -> None:
    proxy = Proxy(f"PYRO:bench@{closed_location}")
    proxy._pyroRetryPolicy = RetryPolicy(first_delay=LONG, max_delay=LONG, jitter=0.0)
    with pytest.raises(CommunicationError, match="cannot connect"):
        with_timeout(proxy, 1.0).add(1, 2)
