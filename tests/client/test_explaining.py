"""`help` and `inspect.signature` of remote objects, from what their server says."""

from __future__ import annotations

import copy
import functools
import inspect
import pydoc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pyro_client import Proxy, RemoteMethod, with_timeout
from pyro_protocol import expose
from pyro_protocol.dispatch import DaemonObject
from support.hosting import HostThread
from support.peers import pyro5_python
from support.programs import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.workbench import Workbench


@expose
class Camera:
    """Takes pictures.

    Of everything.
    """

    def snap(
        self, exposure: float, /, mode: str = "auto", *, sizes: tuple[int, ...] = (1, 2)
    ) -> dict[str, bytes]:
        """Take a picture.

        Args:
            exposure: seconds.
        """
        return {mode: bytes(int(exposure) + len(sizes))}

    def stop(self) -> None:
        return

    def when(self, zone: type = int) -> str:
        """Tell the time."""
        return str(zone)

    @property
    def temperature(self) -> float:
        """How warm it is."""
        raise AssertionError("nobody asks for the value")


SNAP = (
    "(exposure: float, /, mode: str = 'auto', *, sizes: tuple[int, ...] = (1, 2))"
    " -> dict[str, bytes]"
)
OVERVIEW = f"""\
Takes pictures.

Of everything.

Methods:
    snap{SNAP}
        Take a picture.

        Args:
            exposure: seconds.

    stop() -> None

    when(zone: type = int) -> str
        Tell the time.

Attributes:
    temperature: float  (read-only)
        How warm it is."""


class Counting(DaemonObject):
    """Counts how often it is asked for a description."""

    def __init__(self, daemon: Any) -> None:
        super().__init__(daemon)
        self.asked = 0

    @expose
    def get_description(self, objectId: str) -> dict[str, Any]:
        self.asked += 1
        return super().get_description(objectId)


@pytest.fixture
def daemon_object(host: HostThread) -> Counting:
    """The daemon's own object, which counts."""
    counting = Counting(host.host)
    host.call(lambda: host.host.registry.register(counting, "Pyro.Daemon", force=True))
    return counting


@pytest.fixture
def camera(host: HostThread) -> Iterator[Proxy]:
    """A proxy of a camera, not connected yet."""
    with Proxy(host.register(Camera(), "camera")) as proxy:
        yield proxy


def test_a_method_has_the_signature_and_the_docstring_of_the_server(
    camera: Proxy,
) -> None:
    signature = inspect.signature(camera.snap)
    assert str(signature) == SNAP
    assert signature.parameters["mode"].default == "auto"
    assert signature.parameters["sizes"].default == (1, 2)
    assert signature.parameters["exposure"].annotation == "float"
    assert signature.return_annotation == "dict[str, bytes]"
    assert signature.bind(0.5, sizes=()).args == (0.5,)
    assert inspect.getdoc(camera.snap) == inspect.getdoc(Camera.snap)
    assert camera.snap.__doc__.startswith("Take a picture.\n\nArgs:\n")
    assert (camera.snap.__name__, camera.snap.__qualname__) == ("snap", "snap")
    assert camera.stop.__doc__ is None
    assert str(inspect.signature(camera.when)) == "(zone: type = int) -> str"


def test_help_shows_signature_and_docstring(camera: Proxy) -> None:
    text = pydoc.plain(pydoc.render_doc(camera.snap))
    lines = [line.strip() for line in text.splitlines()]
    assert f"snap{SNAP}" in lines
    assert "Take a picture." in lines
    assert "exposure: seconds." in lines
    text = pydoc.plain(pydoc.render_doc(camera.stop))
    assert "stop() -> None" in text
    assert "functools" not in text


def test_help_of_a_proxy_shows_what_the_object_offers(camera: Proxy) -> None:
    camera._pyroBind()
    assert camera.__doc__ == OVERVIEW
    text = pydoc.plain(pydoc.render_doc(camera))
    assert "\n".join(f"    {line}".rstrip() for line in OVERVIEW.splitlines()) in (
        "\n".join(line.rstrip() for line in text.splitlines())
    )


def test_the_classes_keep_their_own_docstrings(camera: Proxy) -> None:
    class Own(Proxy):
        """Is another one."""

    assert str(Proxy.__doc__).startswith("Stands in for a remote object")
    assert str(RemoteMethod.__doc__).startswith("A method of a remote object")
    assert "Stands in for a remote object" in pydoc.plain(pydoc.render_doc(Proxy))
    assert Own(camera._pyroUri).__doc__ == "Is another one."


def test_the_server_is_asked_once_and_only_on_demand(
    camera: Proxy, daemon_object: Counting
) -> None:
    assert camera.stop() is None
    assert repr(camera.snap)
    assert camera.snap.__name__ == "snap"
    assert daemon_object.asked == 0
    for _ in range(2):
        assert inspect.signature(camera.snap).parameters
        assert camera.stop.__doc__ is None
        assert camera.__doc__
    assert daemon_object.asked == 1


def test_after_another_connection_the_server_is_asked_again(
    camera: Proxy, host: HostThread
) -> None:
    class Newer(Camera):
        @expose
        def stop(self, hard: bool = False) -> None:
            """Stop it."""

        @expose
        def snap(self) -> None:  # type: ignore[override] # what is new
            return

    assert str(inspect.signature(camera.snap)) == SNAP
    assert camera.stop.__doc__ is None
    host.call(lambda: host.host.registry.register(Newer(), "camera", force=True))
    camera._pyroReconnect()
    assert str(inspect.signature(camera.stop)) == "(hard: bool = False) -> None"
    assert camera.stop.__doc__ == "Stop it."


def test_it_is_the_same_through_every_way_to_a_method(camera: Proxy) -> None:
    class Hooked(Proxy):
        def _pyroInvoke(self, *args: Any, **kwargs: Any) -> Any:
            return super()._pyroInvoke(*args, **kwargs)

    class Holder:
        method = camera.snap

    assert str(inspect.signature(Hooked(camera._pyroUri).snap)) == SNAP
    assert str(inspect.signature(copy.copy(camera).snap)) == SNAP
    assert str(inspect.signature(with_timeout(camera, 5).snap)) == SNAP
    assert with_timeout(camera, 5).__doc__ == OVERVIEW
    assert str(inspect.signature(Holder.method)) == SNAP

    @functools.wraps(camera.snap)
    def wrapper(*args: Any) -> Any:
        return camera.snap(*args)

    assert wrapper.__name__ == "snap"
    assert wrapper.__doc__ == camera.snap.__doc__
    partial = functools.partial(camera.snap, 0.5)
    assert str(inspect.signature(partial)).startswith("(mode: str = 'auto'")


def test_the_answer_is_read_also_where_calls_give_raw_ones(camera: Proxy) -> None:
    camera._pyroRawWireResponse = True
    camera._pyroSerializer = "json"
    assert str(inspect.signature(camera.snap)) == SNAP


def test_threads_may_ask_at_once(camera: Proxy) -> None:
    texts: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: texts.append(str(inspect.signature(camera.snap)))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == [SNAP] * 8


def test_a_proxy_that_is_not_connected_asks_nobody(
    camera: Proxy, host: HostThread
) -> None:
    assert str(camera.__doc__).startswith("Stands in for a remote object")
    assert host.connection_count == 0


def test_a_server_that_has_gone_leaves_the_generic_signature(
    bench: Workbench,
) -> None:
    with HostThread() as host:
        proxy = Proxy(host.register(bench, "bench"))
        method = proxy.add
    assert str(inspect.signature(method)) == "(*args: Any, **kwargs: Any) -> Any"
    assert method.__doc__ is None
    assert "add(...)" in pydoc.plain(pydoc.render_doc(method))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "nonsense",
        {"methods": 3, "types": [], "attributes": {"name": "x"}},
        {"methods": [{"name": 5}, {"name": "class"}, {}, None]},
        {"methods": [{"name": "snap", "parameters": [3], "doc": {}}]},
        {"methods": [{"name": "snap", "parameters": [{"name": "a b", "kind": "x"}]}]},
        {"methods": [{"name": "snap", "parameters": [{"name": "a", "kind": "x"}]}]},
        {
            "methods": [
                {
                    "name": "snap",
                    "parameters": [
                        {"name": "a", "kind": "var_keyword"},
                        {"name": "a", "kind": "positional_only"},
                    ],
                }
            ]
        },
    ],
)
def test_a_description_that_is_none_does_no_harm(
    camera: Proxy, host: HostThread, answer: Any
) -> None:
    class Lying(DaemonObject):
        @expose
        def get_description(self, objectId: str) -> Any:
            return answer

    lying = Lying(host.host)
    host.call(lambda: host.host.registry.register(lying, "Pyro.Daemon", force=True))
    assert str(inspect.signature(camera.snap)) == "(*args: Any, **kwargs: Any) -> Any"
    assert camera.snap.__doc__ is None
    assert "snap(...)" in pydoc.plain(pydoc.render_doc(camera.snap))
    assert isinstance(camera.__doc__, str)


def test_what_would_do_something_to_a_terminal_is_shown_instead(
    camera: Proxy, host: HostThread
) -> None:
    class Lying(DaemonObject):
        @expose
        def get_description(self, objectId: str) -> Any:
            return {
                "doc": "\x1b[2J",
                "methods": [
                    {
                        "name": "snap",
                        "doc": "one\ttwo\n\x1b]0;title\x07\u202e",
                        "parameters": [
                            {
                                "name": "a",
                                "kind": "keyword_only",
                                "annotation": "\x1b[31m",
                                "required": False,
                                "default": "__import__('os').abort()",
                            }
                        ],
                    }
                ],
            }

    lying = Lying(host.host)
    host.call(lambda: host.host.registry.register(lying, "Pyro.Daemon", force=True))
    shown = f"{camera.snap.__doc__}{inspect.signature(camera.snap)}{camera.__doc__}"
    assert shown.replace("\n", "").isprintable()
    assert "\\x1b]0;title\\x07\\u202e" in shown
    assert "a: \\x1b[31m = __import__('os').abort()" in shown


def test_an_object_of_pyro5_has_the_generic_signature(tmp_path: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text(PYRO5_SERVER, "utf-8")
    with Program(server, python=pyro5_python()) as program:
        uri = program.wait_for(r"^ready at (\S+)$")[1]
        with Proxy(uri) as proxy:
            signature = inspect.signature(proxy.add)
            assert str(signature) == "(*args: Any, **kwargs: Any) -> Any"
            assert proxy.add.__doc__ is None
            assert "add(...)" in pydoc.plain(pydoc.render_doc(proxy.add))
            assert str(proxy.__doc__).startswith("Stands in for a remote object")
            assert proxy.add(2, 3) == 5
            assert "level" in dir(proxy)


PYRO5_SERVER = """
from Pyro5.api import Daemon, expose

@expose
class Adder:
    def add(self, a, b):
        return a + b

    @property
    def level(self):
        return 1

daemon = Daemon(host="127.0.0.1")
print("ready at", daemon.register(Adder(), "adder"), flush=True)
daemon.requestLoop()
"""
