"""Programs written for Pyro4 and Pyro5, before and after they were migrated."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pyro_suite.migrate.command import main
from support.hosting import DEADLINE
from support.peers import pyro5_python
from support.programs import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

# Each is a server, its name server and a client in one, and prints what it gets.
MODULES_OF_PYRO5 = '''\
"""Uses everything through the names of modules."""
import sys
import threading
import Pyro5.api
import Pyro5.errors
import Pyro5.server, Pyro5.callcontext

sys.excepthook = Pyro5.errors.excepthook
Pyro5.config.COMMTIMEOUT = 20.0    # seconds


@Pyro5.api.expose
@Pyro5.api.behavior(instance_mode="single")
class Shelf(object):
    def __init__(self):
        self._things = []
        self._label = "none"

    @property
    def label(self):
        return self._label

    @label.setter
    def label(self, label):
        self._label = label

    def put(self, thing):
        self._things.append(thing)
        return len(self._things)

    def all(self):
        for thing in self._things:
            yield thing

    @Pyro5.server.oneway
    def forget(self):
        self._things.clear()

    def annotated(self):
        return sorted(Pyro5.callcontext.current_context.annotations)

    def fail(self):
        raise Pyro5.errors.NamingError("no such shelf")


uri, ns_daemon, _broadcast = Pyro5.api.start_ns("localhost", 0, enableBroadcast=False)
threading.Thread(target=ns_daemon.requestLoop, daemon=True).start()
daemon = Pyro5.api.Daemon()
shelf_uri = daemon.register(Shelf)
threading.Thread(target=daemon.requestLoop, daemon=True).start()

with Pyro5.api.locate_ns(uri.host, uri.port) as ns:
    ns.register("the.shelf", shelf_uri, metadata={"wood"})
    print(sorted(ns.list(prefix="the.")), sorted(ns.yplookup(meta_all={"wood"})))
where = "PYRONAME:the.shelf@%s:%d" % (uri.host, uri.port)
with Pyro5.api.Proxy(where) as shelf:
    print(shelf.put("book"), shelf.put([1, (2, 3)]), shelf.label)
    shelf.label = "n\\u00e4chstes"
    print(shelf.label)
    print([thing for thing in shelf.all()])
    try:
        shelf.fail()
    except Pyro5.errors.NamingError as error:
        print("refused:", error)
        print("shelf" in "".join(Pyro5.errors.get_pyro_traceback()))
    batch = Pyro5.api.BatchProxy(shelf)
    batch.put("one")
    batch.put("two")
    print(list(batch()))
    shelf._pyroClaimOwnership()
    print(sorted(shelf._pyroMethods), sorted(shelf._pyroAttrs))
try:
    Pyro5.api.Proxy("PYRO:nothing@localhost:1").ping()
except Pyro5.errors.CommunicationError:
    print("nobody there")
daemon.shutdown()
ns_daemon.shutdown()
'''

NAMES_OF_PYRO5 = """\
import threading
from Pyro5.api import (
    Daemon,           # the server
    Proxy,
    SerializerBase,   # for our class
    expose, behavior,
)
from Pyro5.errors import PyroError, get_pyro_traceback; from Pyro5 import config
from Pyro5.callcontext import current_context
import Pyro5.core as core


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __repr__(self):
        return "Point(%r, %r)" % (self.x, self.y)


SerializerBase.register_class_to_dict(
    Point, lambda point: {"__class__": "Point", "x": point.x, "y": point.y}
)
SerializerBase.register_dict_to_class(
    "Point", lambda name, data: Point(data["x"], data["y"])
)


def mirrored(Proxy):
    "Has an argument that is called like a class of Pyro's."
    return Proxy[::-1]


@expose
@behavior(instance_mode="percall")
class Geometry:
    def middle(self, one, other):
        return Point((one.x + other.x) / 2, (one.y + other.y) / 2)

    def who(self):
        return current_context.client is not None

    def fail(self):
        return 1 // 0


config.SERVERTYPE = "multiplex"
config.SERIALIZER = "json"
with Daemon(host="127.0.0.1") as daemon:
    uri = core.URI(daemon.register(Geometry, "geometry"))
    print(uri.protocol, uri.object, core.DAEMON_NAME, mirrored("abc"))
    thread = threading.Thread(target=daemon.requestLoop)
    thread.start()
    geometry = Proxy(uri)
    print(geometry.middle(Point(0, 0), Point(2, 4)), geometry.who())
    try:
        geometry.fail()
    except ZeroDivisionError as error:
        print(error, any("1 // 0" in line for line in get_pyro_traceback()))
    try:
        Proxy("PYRO:wrong")
    except PyroError:
        print("not a uri")
    geometry._pyroRelease()
    daemon.shutdown()
    thread.join()
"""

MODULES_OF_PYRO4 = """\
import threading
import Pyro4
import Pyro4.naming
import Pyro4.util

Pyro4.config.REQUIRE_EXPOSE = True
Pyro4.config.SERIALIZERS_ACCEPTED = {"serpent", 'json'}   # no marshal
Pyro4.config.SERIALIZERS_ACCEPTED.add("msgpack"); Pyro4.config.METADATA = True
Pyro4.config.COMMTIMEOUT = 20


@Pyro4.expose
class Counter(object):
    def __init__(self):
        self.total = 0

    def add(self, number):
        self.total += number
        return self.total

    def fail(self):
        raise ValueError("of the server")


class Sized(object):
    def __init__(self, size):
        self.size = size


Pyro4.util.SerializerBase.register_class_to_dict(
    Sized, lambda thing: {"__class__": "Sized", "size": thing.size}
)
Pyro4.util.SerializerBase.register_dict_to_class(
    "Sized", lambda name, data: Sized(data["size"])
)

uri, ns_daemon, _ = Pyro4.naming.startNS("localhost", 0, enableBroadcast=False)
threading.Thread(target=ns_daemon.requestLoop, daemon=True).start()
daemon = Pyro4.core.Daemon()
counter_uri = daemon.register(Counter())
threading.Thread(target=daemon.requestLoop, daemon=True).start()
ns = Pyro4.locateNS(uri.host, uri.port)
ns.register("counter", counter_uri, metadata={"a", "b"})
print(sorted(ns.list(metadata_all={"a", "b"})), sorted(ns.list(metadata_any=["c"])))
resolved = Pyro4.resolve("PYRONAME:counter@localhost:%d" % uri.port)
print(str(resolved) == str(counter_uri))
counter = Pyro4.Proxy(counter_uri)
print(counter.add(1), counter.add(2))
waiting = Pyro4.Proxy(counter_uri)
Pyro4.asyncproxy(waiting)
result = waiting.add(10)
print(result.value, result.ready)
print(waiting.add(10).then(lambda value: value * 2).value)
calls = Pyro4.batch(counter)
calls.add(100)
calls.add(100)
print(list(calls()))
try:
    counter.fail()
except ValueError as error:
    print(error, "of the server" in "".join(Pyro4.util.getPyroTraceback()))
print(Pyro4.Future(sum)([1, 2, 3]).value)
try:
    ns.lookup("nothing")
except Pyro4.errors.NamingError:
    print("unknown")
daemon.shutdown()
ns_daemon.shutdown()
"""

NAMES_OF_PYRO4 = """\
# -*- coding: latin-1 -*-
import threading
try:
    from Pyro4 import expose, oneway, Daemon as Server, Proxy, locateNS, current_context
except ImportError:
    raise SystemExit("Pyro is missing: \u00e9")
from Pyro4 import constants, errors, naming, util
from Pyro4.core import DaemonObject


class Caf\u00e9(object):
    @expose
    def na\u00efve(self, text=u"\u00e9"): return text; locateNS

    @expose
    def context(self):
        return current_context.client_sock_addr[0]

    hidden = lambda self: 1


server = Server(host="127.0.0.1")
print(constants.DAEMON_NAME, issubclass(DaemonObject, object))
uri = server.register(Caf\u00e9(), "caf\u00e9"[:3])
threading.Thread(target=server.requestLoop, daemon=True).start()
with Proxy(uri) as proxy:
    print(len(proxy.context()) > 3, hasattr(proxy, "echo"))
    try:
        proxy.hidden()
    except AttributeError:
        print("hidden")
try:
    locateNS(host="localhost", port=1)
except errors.NamingError as error: print("none", isinstance(error, errors.PyroError))
server.shutdown()
"""

PROGRAMS = {
    "modules_of_pyro5": (MODULES_OF_PYRO5, "utf-8"),
    "names_of_pyro5": (NAMES_OF_PYRO5, "utf-8"),
    "modules_of_pyro4": (MODULES_OF_PYRO4, "utf-8"),
    "names_of_pyro4": (NAMES_OF_PYRO4, "latin-1"),
}


def run(python: Path | str, program: Path) -> str:
    done = subprocess.run(
        [python, program.name],
        cwd=program.parent,
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_migrated_program_does_what_it_did_before(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, encoding = PROGRAMS[name]
    program = tmp_path / f"{name}.py"
    # Line ends are kept, whatever they are.
    original = text.encode(encoding).replace(b"\n", b"\r\n")
    program.write_bytes(original)
    program.chmod(0o750)
    before = run(pyro5_python(), program)
    assert main([str(program)]) == 1
    assert program.read_bytes() == original
    assert main([str(program), "--apply"]) == 0, capsys.readouterr().out
    after = run(sys.executable, program)
    assert after.splitlines() == before.splitlines()
    rewritten = program.read_bytes()
    assert b"Pyro4" not in rewritten.replace(b"class of Pyro's", b"")
    assert b"Pyro5" not in rewritten
    assert rewritten.count(b"\r\n") == rewritten.count(b"\n")
    assert program.stat().st_mode & 0o777 == 0o750
    backup = program.with_name(program.name + ".orig")
    assert backup.read_bytes() == original
    # There is nothing left to do, so the backup is not in the way.
    assert main([str(program), "--apply"]) == 0
    assert program.read_bytes() == rewritten
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        program.name,
        backup.name,
    ]
