"""Event loops: a program's own, combined daemons, sockets that are connected."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN002, ANN201, ANN202, ANN204
# ruff: noqa: I002, PTH118
# mypy: ignore-errors

import os
import select
import socket
import tempfile
import threading

import Pyro4
import Pyro4.naming

Pyro4.config.SERVERTYPE = "multiplex"


@Pyro4.expose
class Clock:
    def __init__(self, name):
        self._name = name

    def tick(self):
        return self._name

    def stop(self):
        self._pyroDaemon.shutdown()


def in_background(results, *uris):
    def call():
        for uri in uris:
            with Pyro4.Proxy(uri) as proxy:
                results.append(proxy.tick())

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def main():
    one, two = Pyro4.Daemon(), Pyro4.Daemon()
    ns_uri, names, broadcast = Pyro4.naming.startNS(host="localhost", port=0)
    print(broadcast)
    uris = [one.register(Clock("one")), two.register(Clock("two"))]
    names.nameserver.register("clock.one", uris[0])
    uris.append(f"PYRONAME:clock.one@{ns_uri.host}:{ns_uri.port}")
    results = []
    thread = in_background(results, *uris)
    while thread.is_alive():
        for daemon in (one, two, names):
            ready, _, _ = select.select(daemon.sockets, [], [], 0.02)
            if ready:
                daemon.events(ready)
    print(results, len(one.sockets) >= 1)

    results.clear()
    one.combine(two)
    one.combine(names)
    thread = in_background(results, *uris)
    one.requestLoop(loopCondition=thread.is_alive)
    thread.join()
    print(results)
    for daemon in (names, two, one):
        daemon.close()

    if not hasattr(socket, "AF_UNIX"):
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "clock.sock")
        with Pyro4.Daemon(unixsocket=path) as daemon:
            uri = daemon.register(Clock("unix"), "clock")
            print(uri.location == "./u:" + path, uri.sockname == path)
            print(Pyro4.URI.isUnixsockLocation(uri.location))
            thread = threading.Thread(target=daemon.requestLoop)
            thread.start()
            with Pyro4.Proxy(uri) as proxy:
                print(proxy.tick())
            daemon.shutdown()
            thread.join()

    Pyro4.config.SERVERTYPE = "thread"
    here, there = socket.socketpair()
    daemon = Pyro4.Daemon(connected_socket=here)
    daemon.register(Clock("pair"), "clock")
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    with Pyro4.Proxy("clock", connected_socket=there) as proxy:
        print(proxy.tick(), proxy.tick())

    daemon = Pyro4.Daemon()
    uri = daemon.register(Clock("last"), "clock")
    thread = threading.Thread(target=daemon.requestLoop)
    thread.start()
    with Pyro4.Proxy(uri) as proxy:
        print(proxy.tick(), proxy.stop())
    thread.join()
    print("ended")


main()
