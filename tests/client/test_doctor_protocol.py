"""``pyro-doctor`` and what answers at a port, if that is not as it should be."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client.doctor.advice import advice_for, known_causes
from pyro_client.doctor.command import main
from pyro_client.doctor.daemons import published_location
from pyro_protocol import Configuration
from pyro_protocol.serializers import serializers
from pyro_protocol.wire import FLAG_EXCEPTION, MessageType, encode_frame
from support.hosting import DEADLINE, HostThread
from support.scripted import Peer, ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.diagnosing import Doctor
    from support.workbench import Workbench


# How long a step may take where a part of it is to be answered in time.
SHORT = 1.0


def saying(data: bytes) -> Callable[[Peer], None]:
    """Return a script that says something once it has been spoken to."""

    def script(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.sock.sendall(data)

    return script


def refusing(reason: str) -> Callable[[Peer], None]:
    return lambda peer: peer.refuse(reason)


# Somebody else


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "SSH server"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "web server"),
        (b"220 mail.example ESMTP\r\n", "220 mail.example"),
        (b"\x00\x01", "no Pyro message"),
    ],
)
def test_another_program_answers(diagnose: Doctor, said: bytes, shown: str) -> None:
    with ScriptedServer(saying(said)) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "protocol", "not-pyro")
    assert shown in diagnosis.detail
    assert "check the port" in diagnosis.advice


def test_a_web_server_that_waits_for_its_own_kind(diagnose: Doctor) -> None:
    def never_answer_pyro(peer: Peer) -> None:
        peer.wait_for_end()

    with ScriptedServer(
        never_answer_pyro, never_answer_pyro, saying(b"HTTP/1.0 404 Not Found\r\n\r\n")
    ) as server:
        diagnosis = diagnose(server.uri, timeout=SHORT)
    assert diagnosis.found == ("object", "protocol", "not-pyro")
    assert "web server" in diagnosis.detail


def test_nobody_says_anything(diagnose: Doctor) -> None:
    with ScriptedServer(*[Peer.wait_for_end] * 3) as server:
        diagnosis = diagnose(server.uri, timeout=0.3)
    assert diagnosis.found == ("object", "protocol", "silent")
    assert "THREADPOOL_SIZE" in diagnosis.advice
    assert "log" in diagnosis.advice


def test_the_connection_is_closed_without_a_word(diagnose: Doctor) -> None:
    with ScriptedServer(Peer.receive, lambda peer: peer.sock.recv(9)) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "protocol", "closed")
    assert "serializer" in diagnosis.advice


def test_a_server_that_drips(diagnose: Doctor) -> None:
    def drip(peer: Peer) -> None:
        peer.receive()
        peer.sock.sendall(b"PYRO\x01\xf6\x02")
        peer.wait_for_end()

    with ScriptedServer(drip) as server:
        diagnosis = diagnose(server.uri, timeout=SHORT)
    assert diagnosis.found == ("object", "handshake", "stalled")


# Versions


@pytest.mark.parametrize(
    ("version", "cause"), [(48, "older-pyro"), (501, "other-version")]
)
def test_another_protocol_version(diagnose: Doctor, version: int, cause: str) -> None:
    header = b"PYRO" + version.to_bytes(2, "big") + bytes(34)
    with ScriptedServer(saying(header)) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "protocol", cause)
    assert str(version) in diagnosis.detail
    assert "Pyro" in diagnosis.advice


def test_a_server_that_refuses_our_version(diagnose: Doctor) -> None:
    with ScriptedServer(refusing("invalid protocol version: 502")) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "handshake", "other-version")


# The handshake


def test_a_validation_hook_refuses(diagnose: Doctor, bench: Workbench) -> None:
    def demand_token(_client: object, handshake: Any) -> str:
        if handshake != {"token": "sesame"}:
            raise PermissionError("who are you?")
        return "welcome"

    with HostThread(validate_handshake=demand_token) as host:
        host.register(bench, "bench")
        uri = f"PYRO:bench@{host.location}"
        diagnosis = diagnose(uri)
        assert diagnosis.found == ("object", "handshake", "refused-by-server")
        assert diagnosis.detail == "who are you?"
        assert "--handshake" in diagnosis.advice
        assert diagnose(uri, "--handshake", '{"token": "sesame"}').status == 0


def test_a_server_that_has_had_enough_of_us(diagnose: Doctor) -> None:
    reason = "too many attempts to authenticate have failed from this address"
    with ScriptedServer(refusing(reason)) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "handshake", "refused-by-server")


def test_a_long_speech_is_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(refusing("no " * 100_000)) as server:
        assert main([server.uri]) == 1
    assert len(capsys.readouterr().out) < 5000


def test_a_server_without_room(diagnose: Doctor) -> None:
    with ScriptedServer(refusing("no free workers, increase the pool")) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "handshake", "server-full")


def test_a_server_that_does_not_accept_our_serializer(
    diagnose: Doctor, bench: Workbench
) -> None:
    settings = Configuration(
        use_environment=False, SERIALIZERS_ACCEPTED=["native", "serpent"]
    )
    with HostThread(config=settings) as host:
        host.register(bench, "bench")
        diagnosis = diagnose(f"PYRO:bench@{host.location}", "--serializer", "json")
    assert diagnosis.found == ("object", "handshake", "serializer-refused")
    assert "'json' is not accepted" in diagnosis.detail
    assert "SERIALIZERS_ACCEPTED" in diagnosis.advice


def test_native_is_demanded_of_a_server_without_it(diagnose: Doctor) -> None:
    def serve(peer: Peer) -> None:
        peer.admit()
        while True:
            try:
                ping = peer.receive()
            except EOFError:
                return
            peer.send(MessageType.PING, ping, b"pong")

    with ScriptedServer(serve) as server:
        diagnosis = diagnose(server.uri, "--serializer", "native")
    assert diagnosis.found == ("object", "daemon", "serializer-refused")
    assert "Pyro5" in diagnosis.detail_of("object", "handshake")


def test_a_handshake_that_makes_no_sense(diagnose: Doctor) -> None:
    def mumble(peer: Peer) -> None:
        connect = peer.receive()
        payload = serializers["serpent"].dumps({"meta": {}})
        peer.send(MessageType.CONNECTOK, connect, payload)

    with ScriptedServer(mumble) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "handshake", "malformed-answer")


def test_a_daemon_that_does_not_answer_everybody(diagnose: Doctor) -> None:
    def serve(peer: Peer) -> None:
        peer.admit()
        while True:
            try:
                request = peer.receive()
            except EOFError:
                return
            if request.kind == MessageType.PING:
                peer.send(MessageType.PING, request, b"pong")
            else:
                error = PermissionError("not for you")
                peer.answer(request, error, flags=FLAG_EXCEPTION)

    with ScriptedServer(serve) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.warnings == ["call-failed"]
    assert "not for you" in diagnosis.detail_of("object", "daemon")


# The object


def test_an_unknown_object(diagnose: Doctor, host: HostThread) -> None:
    diagnosis = diagnose(f"PYRO:bensch@{host.location}")
    assert diagnosis.found == ("object", "object", "unknown-object")
    assert "did you mean 'bench'?" in diagnosis.detail
    assert "each start" in diagnosis.advice


def test_a_server_that_knows_no_object_at_all(diagnose: Doctor) -> None:
    with ScriptedServer(*[refusing("unknown object")] * 2) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "object", "unknown-object")


def test_an_object_that_exposes_nothing(diagnose: Doctor) -> None:
    with ScriptedServer(lambda peer: peer.admit(methods=())) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "object", "exposes-nothing")
    assert "@expose" in diagnosis.advice


def test_a_server_that_does_not_answer_pings(diagnose: Doctor) -> None:
    def fall_asleep(peer: Peer) -> None:
        peer.admit()
        peer.wait_for_end()

    with ScriptedServer(fall_asleep) as server:
        diagnosis = diagnose(server.uri, timeout=SHORT)
    assert diagnosis.found == ("object", "ping", "stalled")


def test_a_server_that_goes_after_the_handshake(diagnose: Doctor) -> None:
    with ScriptedServer(Peer.admit) as server:
        diagnosis = diagnose(server.uri)
    assert diagnosis.found == ("object", "ping", "closed")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 40,
        b"PYRO\x01\xf6" + b"\xff" * 34,
        b"".join(encode_frame(MessageType.RESULT, 1, 0, 1, b"\xff\xfe")),
        b"".join(encode_frame(MessageType.PING, 1, 0, 7, b"ping")),
        b"".join(encode_frame(MessageType.CONNECTOK, 1, 0, 0, b"")),
    ],
)
def test_garbage_after_the_handshake(diagnose: Doctor, garbage: bytes) -> None:
    def talk_nonsense(peer: Peer) -> None:
        peer.admit()
        peer.receive()
        peer.sock.sendall(garbage)
        peer.wait_for_end()

    with ScriptedServer(talk_nonsense) as server:
        diagnosis = diagnose(server.uri, timeout=SHORT)
    part, step, cause = diagnosis.found
    assert (part, step) == ("object", "ping")
    assert cause in ("malformed-answer", "stalled")


# The command


def test_people_get_a_table_and_what_to_do(
    capsys: pytest.CaptureFixture[str], closed_location: str
) -> None:
    assert main([f"PYRO:bench@{closed_location}"]) == 1
    output, errors = capsys.readouterr()
    assert errors == ""
    assert output.startswith("ok       uri ")
    assert "\nobject:\nok       dns " in output
    assert "FAILED   tcp " in output
    assert "connection refused" in output
    assert "What to do:" in output
    assert "skipped  object: protocol, handshake" in output
    assert max(map(len, output.splitlines())) < 100


def test_people_are_told_that_all_is_well(
    capsys: pytest.CaptureFixture[str], uri: str
) -> None:
    assert main([uri]) == 0
    assert capsys.readouterr().out.endswith("\nAll is well.\n")


def test_what_a_server_says_cannot_move_the_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ScriptedServer(refusing("\x1b[2J\rgone\n")) as server:
        assert main([server.uri]) == 1
    output = capsys.readouterr().out
    assert "\\x1b[2J\\rgone" in output
    assert "\x1b" not in output


@pytest.mark.parametrize(
    "args",
    [["--timeout", "0"], ["--timeout", "nan"], ["--serializer", "yaml"], ["a", "b"]],
    ids=" ".join,
)
def test_wrong_usage_is_status_2(
    capsys: pytest.CaptureFixture[str], args: list[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2
    assert "usage: pyro-doctor" in capsys.readouterr().err


def test_help_has_examples_and_exit_statuses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    output = capsys.readouterr().out
    assert "exit status: 0 all is well" in output
    assert "pyro-doctor PYRONAME:house.thermostat" in output


def test_the_module_can_be_run(uri: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pyro_client.doctor", "--json", uri],
        check=False,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout)["ok"]


def test_an_interrupted_examination_ends_quietly() -> None:
    import signal

    def interrupt(peer: Peer) -> None:
        peer.receive()
        process.send_signal(signal.SIGINT)
        peer.wait_for_end()

    server = ScriptedServer(interrupt)
    process = subprocess.Popen(
        [sys.executable, "-m", "pyro_client.doctor", "--json", server.uri],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with server:
        output, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, output, errors) == (130, "", "")


def test_a_cause_without_advice_of_its_own_has_some() -> None:
    assert advice_for("something-new").steps
    assert "pyro-ns" in advice_for("refused", "name server").steps[0]
    assert "pyro-ns" not in " ".join(advice_for("refused", "object").steps)
    assert {"refused", "silent", "expired"} <= known_causes()


@pytest.mark.parametrize(
    ("info", "location"),
    [
        ("daemon at localhost:9000, 3 objects, ThreadHost", "localhost:9000"),
        ("daemon at localhost:9000, NAT a.b:7, 3 objects, ThreadHost", "a.b:7"),
        ("asyncio server at [::1]:9000, NAT None, 2 objects", "[::1]:9000"),
        (
            (
                "Pyro.Daemon bound on localhost:39331, NAT None, 1 objects registered. "
                "Servertype: <SocketServer_Threadpool on localhost:39331; 4 workers>"
            ),
            "localhost:39331",
        ),
        ("nothing of that kind", None),
    ],
)
def test_where_daemons_say_they_are(info: str, location: str | None) -> None:
    assert published_location(info) == location
