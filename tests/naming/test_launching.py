from __future__ import annotations

from typing import TYPE_CHECKING

from pyro_naming import locate_ns, start_ns, start_ns_loop
from pyro_protocol import config

if TYPE_CHECKING:
    import pytest


def test_start_ns_returns_uri_daemon_and_responder() -> None:
    uri, daemon, broadcast = started = start_ns("127.0.0.1", 0)
    with daemon:
        assert (started.uri, started.daemon, started.broadcast) == started
        assert broadcast is None
        assert uri == daemon.uriFor("Pyro.NameServer")
        with locate_ns("127.0.0.1", uri.port) as names:
            assert names.lookup("Pyro.NameServer") == uri


def test_a_responder_runs_with_its_name_server() -> None:
    _uri, daemon, broadcast = start_ns("0.0.0.0", 0, bchost="127.0.0.1", bcport=0)
    with daemon:
        assert broadcast is not None
        assert broadcast is daemon.broadcast
        broadcast.runInThread()
        assert broadcast.locationStr.startswith("127.0.0.1:")
        broadcast.close()


def test_broadcasts_can_be_left_unanswered() -> None:
    with start_ns("0.0.0.0", 0, enableBroadcast=False).daemon as daemon:
        assert daemon.broadcast is None


def test_the_loop_prints_where_it_runs_and_ends_with_its_condition(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "POLLTIMEOUT", 0.01)
    answers = iter([True, True, False])
    start_ns_loop("127.0.0.1", 0, loopCondition=lambda: next(answers))
    lines = capsys.readouterr().out.splitlines()
    port = lines[2].rpartition(":")[2]
    assert lines == [
        "Not starting broadcast server for localhost.",
        f"NS running on 127.0.0.1:{port} (127.0.0.1)",
        f"URI = PYRO:Pyro.NameServer@127.0.0.1:{port}",
        "NS shut down.",
    ]


def test_the_loop_says_nothing_of_broadcasts_nobody_wants(
    capsys: pytest.CaptureFixture[str],
) -> None:
    start_ns_loop("127.0.0.1", 0, enableBroadcast=False, loopCondition=lambda: False)
    assert capsys.readouterr().out.startswith("NS running on 127.0.0.1:")
