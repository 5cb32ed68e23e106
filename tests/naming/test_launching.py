from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pyro_naming import locate_ns, start_ns, start_ns_loop
from pyro_naming.access import AccessRules
from pyro_protocol import Configuration, config
from pyro_protocol.errors import SecurityError

if TYPE_CHECKING:
    from pathlib import Path


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


def test_access_rules_can_be_given_as_an_object() -> None:
    rules = AccessRules({"rules": [{"prefix": "open.", "register": ["*"]}]})
    uri, daemon, _ = start_ns("127.0.0.1", 0, access=rules)
    with daemon, locate_ns("127.0.0.1", uri.port) as names:
        names.register("open.x", "PYRO:a@h:1")
        with pytest.raises(SecurityError, match="may not register"):
            names.register("x", "PYRO:a@h:1")


def test_access_rules_can_be_in_a_file(tmp_path: Path) -> None:
    settings = Configuration(use_environment=False)
    settings.NS_ACCESS = str(tmp_path / "access.toml")
    with pytest.raises(FileNotFoundError):
        start_ns("127.0.0.1", 0, config=settings)
    (tmp_path / "access.toml").write_text(
        "[[rules]]\nprefix = 'x'\nremove = []\n", "utf-8"
    )
    uri, daemon, _ = start_ns("127.0.0.1", 0, config=settings)
    with daemon, locate_ns("127.0.0.1", uri.port) as names:
        daemon.nameserver.register("x", "PYRO:a@h:1")
        with pytest.raises(SecurityError, match="may not remove"):
            names.remove("x")
