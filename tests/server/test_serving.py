from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_protocol import URI, expose
from pyro_protocol.config import config
from pyro_protocol.errors import DaemonError, NamingError
from pyro_server import Daemon, serve
from support.daemons import eventually
from support.hosting import DEADLINE, HostThread
from support.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyro_protocol.transport import BlockingChannel


@expose
class Lamp:
    def shine(self) -> str:
        return "white"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """A name server, which is where it is looked for."""
    names = Names()
    with HostThread() as host:
        host.register(names, "Pyro.NameServer")
        address, port = host.location.split(":")
        monkeypatch.setattr(config, "NS_HOST", address)
        monkeypatch.setattr(config, "NS_PORT", int(port))
        yield names


@pytest.fixture
def serving_in_thread() -> Iterator[Callable[..., threading.Thread]]:
    threads: list[threading.Thread] = []

    def run(*args: Any, **kwargs: Any) -> threading.Thread:
        thread = threading.Thread(target=serve, args=args, kwargs=kwargs)
        threads.append(thread)
        thread.start()
        return thread

    yield run
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_without_the_name_server_names_are_ids(
    servertype: str,
    settings: Any,
    connect: Callable[..., BlockingChannel],
    serving_in_thread: Callable[..., threading.Thread],
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon = Daemon(config=settings)
    lamp = Lamp()
    serving_in_thread({lamp: "lamp", Lamp: None}, daemon=daemon, use_ns=False)
    assert connect(daemon.uriFor("lamp")).call("lamp", "shine") == "white"
    daemon.shutdown()
    output = capsys.readouterr().out
    assert f"{lamp!r} as lamp\n    uri = PYRO:lamp@" in output
    assert re.search(r"Lamp'>\n    uri = PYRO:obj_[0-9a-f]{32}@", output)
    assert output.endswith("Pyro daemon running.\n")
    assert daemon.sock.fileno() == -1


def test_with_the_name_server_names_go_there(
    names: Names,
    settings: Any,
    connect: Callable[..., BlockingChannel],
    serving_in_thread: Callable[..., threading.Thread],
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon = Daemon(config=settings)
    serving_in_thread({Lamp(): "my.lamp", Lamp: None}, daemon=daemon, verbose=False)
    eventually(lambda: "my.lamp" in names.registered)
    uri = URI(names.registered["my.lamp"][0])
    assert re.fullmatch("obj_[0-9a-f]{32}", str(uri.object))
    assert connect(uri).call(str(uri.object), "shine") == "white"
    assert list(names.registered) == ["my.lamp"]
    daemon.shutdown()
    assert capsys.readouterr().out == ""


def test_nothing_is_left_where_there_is_no_name_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_settings: Any) -> Any:
        raise NamingError("there is none")

    monkeypatch.setattr("pyro_server.serving.locate_ns", fail)
    with pytest.raises(NamingError, match="there is none"):
        serve({Lamp(): "my.lamp"})


def test_nothing_is_left_where_an_object_cannot_be_registered() -> None:
    daemon = Daemon()
    with pytest.raises(DaemonError, match="already registered"):
        serve({Lamp(): "lamp", Lamp: "lamp"}, daemon=daemon, use_ns=False)
    assert daemon.sock.fileno() == -1


def test_the_old_spelling(
    settings: Any, serving_in_thread: Callable[..., threading.Thread]
) -> None:
    daemon = Daemon(config=settings)
    thread = threading.Thread(
        target=Daemon.serveSimple,
        args=({Lamp(): "lamp"},),
        kwargs={"daemon": daemon, "ns": False, "verbose": False},
    )
    thread.start()
    eventually(lambda: "lamp" in daemon.objectsById)
    daemon.shutdown()
    thread.join(DEADLINE)
    assert not thread.is_alive()
