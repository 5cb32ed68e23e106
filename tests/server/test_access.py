"""Authentication, authorisation and hooks of daemons that serve."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import ssl
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import current_context, expose, oneway, requires
from pyro_protocol.config import Configuration
from pyro_protocol.dispatch import (
    DAEMON_NAME,
    CallDetails,
    CallHook,
    ClientConnection,
    Identity,
)
from pyro_protocol.errors import CommunicationError, SecurityError
from pyro_protocol.wire import FLAG_BATCH, FLAG_ONEWAY
from pyro_server import Daemon
from pyro_server.admission import FAILURES_ALLOWED
from pyro_server.authentication import (
    CertificateAuthentication,
    TokenAuthentication,
    UserAuthentication,
)
from support.certificates import make_certificate
from support.daemons import RawClient, eventually
from support.hosting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyro_protocol.transport import BlockingChannel

BOBS, EVES = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
TOKENS = TokenAuthentication(
    {BOBS: Identity("bob", {"operator"}), EVES: Identity("eve")}
)


@expose
class Lamp:
    def __init__(self) -> None:
        self._level = 1
        self.noted = threading.Semaphore(0)
        self.posts = 0

    def look(self) -> int:
        return self._level

    @requires("operator")
    def switch(self, level: int) -> int:
        self._level = level
        return level

    @requires("operator")
    async def dim(self) -> str:
        return "dimmed"

    @requires("operator")
    @oneway
    def post(self) -> None:
        self.posts += 1
        self.noted.release()

    @oneway
    def note(self) -> None:
        self.noted.release()

    def who(self) -> str:
        identity = current_context.client.identity
        return "nobody" if identity is None else identity.name

    def credentials(self) -> list[int]:
        return list(current_context.client.peer_credentials)

    def count(self) -> Iterator[int]:
        yield from range(3)

    def fail(self) -> None:
        private_name = 5
        raise ValueError(f"boom {private_name}")

    def unsendable(self) -> object:
        return threading.Lock()

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    @requires("operator")
    def level(self, value: int) -> None:
        self._level = value


class Notes(CallHook):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def before_call(self, call: CallDetails) -> None:
        self.lines.append(f"begin {call.name}")

    def after_call(self, call: CallDetails, result: Any, seconds: float) -> None:
        assert seconds >= 0
        self.lines.append(f"end {call.name}")

    def on_error(self, call: CallDetails, error: BaseException, seconds: float) -> None:
        assert seconds >= 0
        self.lines.append(f"fail {call.name}: {type(error).__name__}")


def token(text: str) -> dict[str, str]:
    return {"token": text}


class TestAuthentication:
    def test_who_has_a_token_is_let_in_under_its_name(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        daemon = start(authenticate=TOKENS)
        uri = daemon.register(Lamp(), "lamp")

        bob = connect(uri, handshake=token(BOBS))
        eve = connect(uri, handshake=token(EVES))

        assert bob.call("lamp", "who", (), {}) == "bob"
        assert eve.call("lamp", "who", (), {}) == "eve"
        names = {one.identity.name for one in daemon.connections()}
        assert names == {"bob", "eve"}

    @pytest.mark.parametrize("handshake", ["hello", token("wrong" * 8), token(""), {}])
    def test_who_has_none_is_not(
        self,
        start: Callable[..., Daemon],
        connect: Callable[..., BlockingChannel],
        handshake: object,
    ) -> None:
        uri = start(authenticate=TOKENS).register(Lamp(), "lamp")

        with pytest.raises(CommunicationError, match="authentication failed"):
            connect(uri, handshake=handshake)

    def test_failures_are_logged_with_the_address_and_without_the_token(
        self,
        start: Callable[..., Daemon],
        raw: Callable[..., RawClient],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        uri = start(authenticate=TOKENS).register(Lamp(), "lamp")
        wrong = secrets.token_urlsafe(32)
        client = raw(uri)
        address = "{}:{}".format(*client.sock.getsockname())
        with caplog.at_level(logging.DEBUG, "pyro"):
            client.send(client.connect_message(handshake=token(wrong)))
            client.refusal()
            raw(uri).shake_hands(handshake=token(BOBS))

        warnings = [one for one in caplog.records if one.levelno >= logging.WARNING]
        assert any(address in one.message for one in warnings)
        assert wrong not in caplog.text
        assert BOBS not in caplog.text

    def test_nothing_can_be_called_before_it(
        self, start: Callable[..., Daemon], raw: Callable[..., RawClient]
    ) -> None:
        lamp = Lamp()
        uri = start(authenticate=TOKENS).register(lamp, "lamp")
        client = raw(uri)

        client.send(client.call_message("note"))

        client.refusal()
        assert not lamp.noted.acquire(blocking=False)

    def test_guessing_is_stopped(
        self, start: Callable[..., Daemon], raw: Callable[..., RawClient]
    ) -> None:
        uri = start(authenticate=TOKENS).register(Lamp(), "lamp")

        def attempt(text: str) -> str:
            client = raw(uri)
            client.send(client.connect_message(handshake=token(text)))
            return client.refusal()

        for number in range(FAILURES_ALLOWED):
            assert attempt(f"guess {number}") == "authentication failed"
        assert attempt(BOBS).startswith("too many attempts")

    def test_the_handshake_hook_runs_afterwards_and_sees_who_it_is(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        class Strict(Daemon):
            def validateHandshake(self, conn: ClientConnection, data: Any) -> Any:
                assert conn.identity is not None
                if conn.identity.name != "bob":
                    raise ValueError("only bob")
                return f"welcome, {conn.identity.name}"

        uri = start(Strict, authenticate=TOKENS).register(Lamp(), "lamp")

        channel = connect(uri, handshake=token(BOBS))
        assert channel.accepted is not None
        assert channel.accepted.handshake == "welcome, bob"
        with pytest.raises(CommunicationError, match="only bob"):
            connect(uri, handshake=token(EVES))
        with pytest.raises(CommunicationError, match="authentication failed"):
            connect(uri)

    def test_a_slow_check_holds_up_nobody_else(
        self, raw: Callable[..., RawClient], connect: Callable[..., BlockingChannel]
    ) -> None:
        entered, go_on = threading.Event(), threading.Event()

        def authenticate(_client: ClientConnection, handshake: Any) -> Identity:
            if handshake == "slow":
                entered.set()
                assert go_on.wait(DEADLINE)
            return Identity("somebody")

        from support.daemons import serving

        settings = Configuration(use_environment=False)
        with serving(Daemon(config=settings, authenticate=authenticate)) as daemon:
            uri = daemon.register(Lamp(), "lamp")
            slow = raw(uri)
            slow.send(slow.connect_message(handshake="slow"))
            assert entered.wait(DEADLINE)

            assert connect(uri).call("lamp", "look", (), {}) == 1
            go_on.set()
            slow.receive()

    def test_a_connected_socket_cannot_be_authenticated(self) -> None:
        left, right = socket.socketpair()
        with left, right, pytest.raises(ValueError, match="has no handshake"):
            Daemon(connected_socket=left, authenticate=TOKENS)

    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
    def test_local_users_are_known_by_the_system(
        self,
        start: Callable[..., Daemon],
        connect: Callable[..., BlockingChannel],
        tmp_path: Path,
    ) -> None:
        users = UserAuthentication({os.getuid(): Identity("me")})
        daemon = start(unixsocket=str(tmp_path / "s"), authenticate=users)
        channel = connect(daemon.register(Lamp(), "lamp"))

        assert channel.call("lamp", "who", (), {}) == "me"
        assert channel.call("lamp", "credentials", (), {}) == [
            *(os.getpid(), os.getuid(), os.getgid())
        ]

        strangers = UserAuthentication({os.getuid() + 1: Identity("stranger")})
        daemon = start(unixsocket=str(tmp_path / "t"), authenticate=strangers)
        with pytest.raises(CommunicationError, match="authentication failed"):
            connect(daemon.register(Lamp(), "lamp"))


class TestTls:
    def test_a_daemon_can_have_a_context_of_its_own_and_know_certificates(
        self,
        start: Callable[..., Daemon],
        connect: Callable[..., BlockingChannel],
        tmp_path: Path,
    ) -> None:
        server = make_certificate(tmp_path, "server")
        bob = make_certificate(tmp_path, "bob")
        eve = make_certificate(tmp_path, "eve")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(server.certificate, server.key)
        context.load_verify_locations(bob.certificate)
        context.load_verify_locations(eve.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
        known = CertificateAuthentication({"CN:bob": Identity("bob")})
        daemon = start(ssl_context=context, authenticate=known)
        uri = daemon.register(Lamp(), "lamp")

        def settings(**items: str) -> Configuration:
            return Configuration(
                use_environment=False, SSL=True, SSL_CACERTS=server.certificate, **items
            )

        owner = settings(SSL_CLIENTCERT=bob.certificate, SSL_CLIENTKEY=bob.key)
        other = settings(SSL_CLIENTCERT=eve.certificate, SSL_CLIENTKEY=eve.key)
        assert connect(uri, config=owner).call("lamp", "who", (), {}) == "bob"
        with pytest.raises(CommunicationError, match="authentication failed"):
            connect(uri, config=other)
        with pytest.raises(CommunicationError):
            connect(uri, config=settings())
        with pytest.raises(CommunicationError):
            connect(uri)

    def test_a_context_for_clients_is_refused(self) -> None:
        with pytest.raises(ValueError, match="one for clients"):
            Daemon(ssl_context=ssl.create_default_context())

    def test_a_context_that_demands_too_little_is_refused(self) -> None:
        settings = Configuration(use_environment=False, SSL_REQUIRECLIENTCERT=True)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with pytest.raises(ValueError, match="SSL_REQUIRECLIENTCERT is on"):
            Daemon(config=settings, ssl_context=context)

    def test_what_is_no_context_is_refused(self) -> None:
        wrong: Any = "server.pem"
        with pytest.raises(TypeError, match=r"must be an ssl\.SSLContext"):
            Daemon(ssl_context=wrong)

    def test_a_connected_socket_brings_its_own(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        left, right = socket.socketpair()
        with left, right, pytest.raises(ValueError, match="of no use"):
            Daemon(connected_socket=left, ssl_context=context)


class TestAuthorization:
    def test_roles_decide_about_calls_attributes_and_batches(
        self, start: Callable[..., Daemon], raw: Callable[..., RawClient]
    ) -> None:
        uri = start(authenticate=TOKENS).register(Lamp(), "lamp")
        bob, eve = raw(uri), raw(uri)
        bob.shake_hands(handshake=token(BOBS))
        eve.shake_hands(handshake=token(EVES))

        assert eve.call("look") == 1
        refused: list[Any] = [("switch", 5), ("dim",), ("__setattr__", "level", 5)]
        for call in refused:
            error = eve.call(*call)
            assert type(error) is SecurityError
            assert "needs the role 'operator'" in str(error)
        calls: list[Any] = [("look", (), {}), ("switch", (5,), {}), ("look", (), {})]
        first, error = eve.call("<batch>", *calls, flags=FLAG_BATCH)
        assert first == 1
        assert type(error.exception) is SecurityError
        assert eve.call("__getattr__", "level") == 1

        assert bob.call("switch", 7) == 7
        assert bob.call("dim") == "dimmed"
        bob.call("__setattr__", "level", 8)
        assert bob.call("<batch>", *calls, flags=FLAG_BATCH) == [8, 5, 5]

    def test_without_authentication_nobody_has_a_role(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        channel = connect(start().register(Lamp(), "lamp"))

        assert channel.call("lamp", "look", (), {}) == 1
        with pytest.raises(SecurityError, match="a client without an identity"):
            channel.call("lamp", "switch", (5,), {})

    def test_objects_that_are_registered_later_are_guarded_on_old_connections(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        daemon = start()
        channel = connect(daemon.uriFor(DAEMON_NAME))
        channel.call(DAEMON_NAME, "ping", (), {})

        daemon.register(Lamp, "lamp")

        with pytest.raises(SecurityError):
            channel.call("lamp", "switch", (5,), {})

    def test_oneway_calls_are_checked_too(
        self, start: Callable[..., Daemon], raw: Callable[..., RawClient]
    ) -> None:
        lamp = Lamp()
        uri = start(authenticate=TOKENS).register(lamp, "lamp")
        eve = raw(uri)
        eve.shake_hands(handshake=token(EVES))

        eve.send(eve.call_message("post", flags=FLAG_ONEWAY))
        eve.send(eve.call_message("note", flags=FLAG_ONEWAY))

        assert lamp.noted.acquire(timeout=DEADLINE)
        assert lamp.posts == 0

    def test_a_daemon_can_be_given_a_check(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        def authorize(call: CallDetails) -> bool:
            return call.object_id == DAEMON_NAME or call.name == "look"

        daemon = start(authorize=authorize)
        channel = connect(daemon.register(Lamp(), "lamp"))

        assert channel.call("lamp", "look", (), {}) == 1
        assert "lamp" in channel.call(DAEMON_NAME, "registered", (), {})
        with pytest.raises(SecurityError, match=r"may not call lamp\.count"):
            channel.call("lamp", "count", (), {})
        with pytest.raises(SecurityError, match=r"may not read lamp\.level"):
            channel.call("lamp", "__getattr__", ("level",), {})

    def test_or_have_one_of_its_own_besides(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        class Closed(Daemon):
            def authorize(self, call: CallDetails) -> None:
                if call.name == "look":
                    raise SecurityError("nobody looks")

        daemon = start(Closed, authorize=lambda call: call.name != "who")
        channel = connect(daemon.register(Lamp(), "lamp"))

        assert channel.call("lamp", "__getattr__", ("level",), {}) == 1
        with pytest.raises(SecurityError, match="nobody looks"):
            channel.call("lamp", "look", (), {})
        with pytest.raises(SecurityError, match=r"may not call lamp\.who"):
            channel.call("lamp", "who", (), {})

    def test_a_wrong_answer_of_its_own_is_not_made_good_by_the_other(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        class Careless(Daemon):
            def authorize(self, call: CallDetails) -> Any:
                return 1

        daemon = start(Careless, authorize=lambda call: None)
        channel = connect(daemon.register(Lamp(), "lamp"))

        with pytest.raises(SecurityError):
            channel.call("lamp", "look", (), {})

    def test_streams_go_on_once_they_are_allowed(
        self, start: Callable[..., Daemon], raw: Callable[..., RawClient]
    ) -> None:
        daemon = start(authorize=lambda call: call.name == "count")
        client = raw(daemon.register(Lamp(), "lamp"))
        client.shake_hands()
        client.send(client.call_message("count"))
        stream_id = bytes(client.receive().annotations["STRM"]).decode()

        item = ("get_next_stream_item", stream_id)
        assert client.call(*item, object_id=DAEMON_NAME) == 0


class TestHooks:
    def test_hooks_are_told_about_calls(
        self, start: Callable[..., Daemon], raw: Callable[..., RawClient]
    ) -> None:
        notes = Notes()
        daemon = start()
        daemon.add_hook(notes)
        client = raw(daemon.register(Lamp(), "lamp"))
        client.shake_hands()

        client.call("look")
        client.call("fail")
        client.call("switch", 5)
        client.call("__getattr__", "level")
        client.call("<batch>", ("look", (), {}), ("fail", (), {}), flags=FLAG_BATCH)
        client.send(client.call_message("note", flags=FLAG_ONEWAY))
        eventually(lambda: "end note" in notes.lines)

        assert notes.lines == [
            *("begin look", "end look", "begin fail", "fail fail: ValueError"),
            *("begin switch", "fail switch: SecurityError"),
            *("begin level", "end level"),
            *("begin look", "end look", "begin fail", "fail fail: ValueError"),
            *("begin note", "end note"),
        ]

    def test_coroutines_are_done_when_they_have_returned(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        notes = Notes()
        daemon = start(authenticate=TOKENS)
        daemon.add_hook(notes)
        channel = connect(daemon.register(Lamp(), "lamp"), handshake=token(BOBS))

        assert channel.call("lamp", "dim", (), {}) == "dimmed"
        assert notes.lines == ["begin dim", "end dim"]

    def test_hooks_can_be_added_while_there_are_connections(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        first, second = Notes(), Notes()
        daemon = start()
        channel = connect(daemon.register(Lamp(), "lamp"))
        channel.call("lamp", "look", (), {})

        daemon.add_hook(first)
        channel.call("lamp", "look", (), {})
        daemon.add_hook(second)
        channel.call("lamp", "look", (), {})

        assert first.lines == ["begin look", "end look"] * 2
        assert second.lines == ["begin look", "end look"]

    def test_a_check_stays_in_force_when_a_hook_is_added(
        self, start: Callable[..., Daemon], connect: Callable[..., BlockingChannel]
    ) -> None:
        daemon = start(authorize=lambda call: False)
        daemon.add_hook(Notes())
        channel = connect(daemon.register(Lamp(), "lamp"))

        with pytest.raises(SecurityError):
            channel.call("lamp", "look", (), {})

    def test_a_hook_is_told_whom_it_was_added_to(self) -> None:
        class Curious(CallHook):
            daemon: Daemon | None = None

            def added_to(self, daemon: Daemon) -> None:
                self.daemon = daemon

        hook = Curious()
        with Daemon() as daemon:
            daemon.add_hook(hook)
            assert hook.daemon is daemon

    def test_what_is_no_hook_is_refused(self) -> None:
        with Daemon() as daemon, pytest.raises(TypeError, match="is no hook"):
            daemon.add_hook(object())


class TestTracebacks:
    @pytest.mark.parametrize("policy", ["authenticated", "never"])
    def test_they_stay_here_and_the_log_has_the_reference(
        self,
        settings: Configuration,
        start: Callable[..., Daemon],
        connect: Callable[..., BlockingChannel],
        caplog: pytest.LogCaptureFixture,
        policy: str,
    ) -> None:
        settings.REMOTE_TRACEBACKS = policy
        channel = connect(start().register(Lamp(), "lamp"))

        with pytest.raises(ValueError, match="boom 5") as caught:
            channel.call("lamp", "fail", (), {})

        lines: list[str] = caught.value._pyroTraceback  # type: ignore[attr-defined] # documented
        assert "private_name" not in "".join(lines)
        reference = lines[0].rpartition(" ")[2].strip(" )\n")
        assert reference in caplog.text
        assert "private_name" in caplog.text

    def test_clients_with_an_identity_can_have_them(
        self,
        settings: Configuration,
        start: Callable[..., Daemon],
        connect: Callable[..., BlockingChannel],
    ) -> None:
        settings.REMOTE_TRACEBACKS = "authenticated"
        uri = start(authenticate=TOKENS).register(Lamp(), "lamp")
        channel = connect(uri, handshake=token(BOBS))

        with pytest.raises(ValueError, match="boom 5") as caught:
            channel.call("lamp", "fail", (), {})

        lines: list[str] = caught.value._pyroTraceback  # type: ignore[attr-defined] # documented
        assert "private_name" in "".join(lines)

    def test_results_that_cannot_be_sent_tell_no_more(
        self,
        settings: Configuration,
        start: Callable[..., Daemon],
        raw: Callable[..., RawClient],
    ) -> None:
        settings.REMOTE_TRACEBACKS = "never"
        client = raw(start().register(Lamp(), "lamp"))
        client.shake_hands()

        error = client.call("unsendable")

        assert "not sent; see the log" in "".join(error._pyroTraceback)
