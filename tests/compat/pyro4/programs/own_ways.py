"""Where the layer does it in its own way, or what only it can be asked about.

Run through the layer, with the names of functions as its arguments.
"""

# ruff: noqa: ANN001, ANN201, FBT003
# mypy: ignore-errors

from __future__ import annotations

import copy
import io
import pickle
import socket
import sys
import threading
from contextlib import redirect_stdout

import Pyro4
import Pyro4.naming
import Pyro4.utils.flame
from Pyro4.errors import CommunicationError, ProtocolError
from Pyro4.naming_storage import DbmStorage, SqlStorage
from Pyro4.test.echoserver import EchoServer
from Pyro4.utils.httpgateway import pyro_app

import pyro_protocol


class Thing:
    @Pyro4.expose
    def echo(self, value):
        return value

    @Pyro4.expose
    def me(self):
        return self


def served(daemon, thing=None):
    uri = daemon.register(thing or Thing(), "thing")
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    return uri


def raised(what, kind):
    try:
        what()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised")


def marshal():
    """A server accepts marshal if its program has chosen it."""
    with Pyro4.Daemon() as daemon, Pyro4.Proxy(served(daemon)) as proxy:
        proxy._pyroSerializer = "marshal"
        assert "marshal" in raised(lambda: proxy.echo(1), CommunicationError)
        daemon.shutdown()
    Pyro4.config.SERIALIZER = "marshal"
    with Pyro4.Daemon() as daemon, Pyro4.Proxy(served(daemon)) as proxy:
        assert proxy.echo([1]) == [1]
        daemon.shutdown()
    Pyro4.config.SERIALIZER = "serpent"
    Pyro4.config.SERIALIZERS_ACCEPTED.add("pickle")
    with Pyro4.Daemon() as daemon, Pyro4.Proxy(served(daemon)) as proxy:
        proxy._pyroSerializer = "pickle"
        assert proxy.echo({1: {2}}) == {1: {2}}
        proxy._pyroSerializer = "marshal"
        raised(lambda: proxy.echo(1), ProtocolError)
        daemon.shutdown()


def settings():
    """The variables in the environment are Pyro4's."""
    config, own = Pyro4.config, pyro_protocol.config
    assert config.ONEWAY_THREADED is False
    assert config.MAX_MESSAGE_SIZE == 0
    most = own.MAX_MESSAGE_SIZE
    assert most == 0x7FFF_FFFF
    accepted = config.SERIALIZERS_ACCEPTED
    assert accepted == {"serpent", "pickle"}
    assert own.SERIALIZERS_ACCEPTED == ["pickle", "serpent"]
    assert own.BROADCAST_ADDRS == ["10.0.0.1", "10.0.0.2"]
    assert own.THREADPOOL_SIZE == 40
    config.THREADPOOL_SIZE = 7
    assert own.THREADPOOL_SIZE == 7
    raised(lambda: setattr(config, "SERVERTYPE", "fork"), ValueError)
    assert config.SERVERTYPE == own.SERVERTYPE == "thread"
    config.SSL_SERVERKEYPASSWD = "not to be seen"
    assert "not to be seen" not in config.dump()


def secrets():
    """A key stays with the proxy that was given it."""
    daemon = Pyro4.Daemon()
    daemon._pyroHmacKey = "the key"
    uri = served(daemon)
    with Pyro4.Proxy(uri) as proxy:
        proxy._pyroHmacKey = "the key"
        assert proxy.me().__class__ is Pyro4.Proxy
        assert proxy.me()._pyroHmacKey is None
        assert "the key" not in repr(pickle.dumps(proxy))
        assert copy.copy(proxy)._pyroHmacKey == b"the key"
    with Pyro4.Proxy(uri) as proxy:
        # Any bytes are a key, and this one is another.
        proxy._pyroHmacKey = b"\xff\x00"
        assert "HMAC" in raised(lambda: proxy.me(), CommunicationError).upper()
    daemon.shutdown()
    here, there = socket.socketpair()
    with here, there, Pyro4.Daemon(connected_socket=here) as pair:
        raised(lambda: setattr(pair, "_pyroHmacKey", b"k"), Pyro4.errors.PyroError)
        threading.Thread(target=pair.requestLoop, daemon=True).start()
        pair.register(Thing(), "thing")
        proxy = Pyro4.Proxy("thing", connected_socket=there)
        raised(lambda: setattr(proxy, "_pyroHmacKey", b"k"), Pyro4.errors.PyroError)


def flame():
    """Flame is refused, whatever it is asked for."""
    Pyro4.config.FLAME_ENABLED = True
    for what in (Pyro4.utils.flame.start, Pyro4.utils.flame.connect):
        assert "any code" in raised(lambda ask=what: ask("here"), NotImplementedError)


def broadcasts():
    """Whoever asks on the local network is told where the name server is."""
    uri = Pyro4.URI("PYRO:Pyro.NameServer@127.0.0.1:9090")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(40)
        with Pyro4.naming.BroadcastServer(uri, "127.0.0.1", 0) as server:
            place = ("127.0.0.1", server.getPort())
            assert server.locationStr == f"127.0.0.1:{server.getPort()}"
            asker.sendto(b"rubbish", place)
            server.processRequest()
            asker.sendto(b"GET_NSURI", place)
            server.processRequest()
            assert asker.recv(100).decode() == str(uri)
            assert server.runInThread().is_alive()
            asker.sendto(b"GET_NSURI", place)
            assert asker.recv(100).decode() == str(uri)


def cleaning():
    """A daemon looks for names of servers that are gone until it is closed."""
    Pyro4.config.NS_AUTOCLEAN = 1
    raised(lambda: Pyro4.naming.startNS("localhost", 0), ValueError)
    Pyro4.config.NS_AUTOCLEAN = 3
    _, names, _ = Pyro4.naming.startNS("localhost", 0)
    assert any("clean" in one.name for one in threading.enumerate())
    names.close()
    assert not any("clean" in one.name for one in threading.enumerate())


def by_value():
    """Without AUTOPROXY an object that is registered travels as any other."""
    Pyro4.config.AUTOPROXY = False
    with Pyro4.Daemon() as daemon, Pyro4.Proxy(served(daemon)) as proxy:
        raised(proxy.me, Pyro4.errors.SerializeError)
        Pyro4.config.AUTOPROXY = True
        assert proxy.me() == proxy
        daemon.shutdown()


def simple():
    """Objects are served, and named, by one call."""
    uri, names, _ = Pyro4.naming.startNS(host="localhost", port=0)
    threading.Thread(target=names.requestLoop, daemon=True).start()
    Pyro4.config.NS_HOST, Pyro4.config.NS_PORT = uri.host, uri.port
    daemon = Pyro4.Daemon()
    thing = Thing()
    text = io.StringIO()
    with redirect_stdout(text):
        serving = threading.Thread(
            target=Pyro4.Daemon.serveSimple,
            args=({thing: "simple.thing"},),
            kwargs={"daemon": daemon},
        )
        serving.start()
        for _ in range(4000):
            if "running" in text.getvalue():
                break
            threading.Event().wait(0.01)
        with Pyro4.Proxy("PYRONAME:simple.thing") as proxy:
            assert proxy.echo(3) == 3
        daemon.shutdown()
        serving.join()
    lines = text.getvalue().splitlines()
    assert lines[0] == f"Object {thing!r}:"
    assert lines[1].startswith("    uri = PYRO:obj_")
    assert lines[2:] == ["    name = simple.thing", "Pyro daemon running."]
    assert "simple.thing" in names.nameserver.list()
    with Pyro4.Proxy(uri) as plain:
        # As programs of Pyro5 may give it, and as those of Pyro4.
        assert len(plain.list("simple.", None, True)["simple.thing"]) == 2
        assert plain.list("simple.", None, None, None, True).keys() == {"simple.thing"}
    names.shutdown()


def parts():
    """The rest is there under its name."""
    assert callable(pyro_app)
    assert EchoServer.__name__ == "EchoServer"
    assert DbmStorage is not SqlStorage
    assert Pyro4.nsc.main is not None
    assert Pyro4.util.get_serializer_by_id(4).name == "pickle"
    raised(lambda: Pyro4.util.get_serializer_by_id(99), Pyro4.errors.SerializeError)
    raised(lambda: Pyro4.util.getAttribute(Thing(), "_x"), AttributeError)
    assert Pyro4.util.getAttribute(Thing(), "echo")(1) == 1
    raised(lambda: Pyro4.nothing, AttributeError)
    raised(lambda: __import__("Pyro4.nothing"), ImportError)


if __name__ == "__main__":
    for step in sys.argv[1:]:
        globals()[step]()
        Pyro4.config.reset()
        print(step)
