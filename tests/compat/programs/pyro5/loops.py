"""Loops: one for several daemons, one of the program's own, and conditions."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, ANN204, I002

import select
import socket
import threading

import Pyro5.api
import Pyro5.nameserver

Pyro5.api.config.SERVERTYPE = "multiplex"
Pyro5.api.config.POLLTIMEOUT = 0.2


@Pyro5.api.expose
class Service:
    def __init__(self, name):
        self._name = name

    def name(self):
        return self._name


def ask(uris):
    def work():
        for uri in uris:
            with Pyro5.api.Proxy(uri) as proxy:
                answers.append(proxy.name())
        done.set()

    done.clear()
    answers.clear()
    thread = threading.Thread(target=work)
    thread.start()
    return thread


answers, done = [], threading.Event()


class Tidy(Pyro5.api.Daemon):
    rounds = 0

    def housekeeping(self):
        Tidy.rounds += 1


one, two = Tidy(), Pyro5.api.Daemon()
uris = [one.register(Service("one")), two.register(Service("two"))]
one.combine(two)
thread = ask(uris)
one.requestLoop(loopCondition=lambda: not done.is_set() or Tidy.rounds < 2)
thread.join()
print(answers, Tidy.rounds >= 2)
two.close()
one.close()

names_uri, names_daemon, broadcast = Pyro5.nameserver.start_ns("127.0.0.1", 0)
daemon = Pyro5.api.Daemon()
uri = daemon.register(Service("embedded"))
names_daemon.nameserver.register("example.embedded", uri)
print(broadcast, sorted(names_daemon.nameserver.list()))
thread = ask([f"PYRONAME:example.embedded@127.0.0.1:{names_uri.port}", uri])
while not done.is_set():
    name_sockets, sockets = set(names_daemon.sockets), set(daemon.sockets)
    ready, _, _ = select.select(name_sockets | sockets, [], [], 0.2)
    for_names = [one for one in ready if one in name_sockets]
    for_daemon = [one for one in ready if one in sockets]
    if for_names:
        names_daemon.events(for_names)
    if for_daemon:
        daemon.events(for_daemon)
thread.join()
print(answers)
daemon.combine(names_daemon)
thread = ask([f"PYRONAME:example.embedded@127.0.0.1:{names_uri.port}"])
daemon.requestLoop(lambda: not done.is_set())
thread.join()
print(answers)
names_daemon.close()
daemon.close()

answering = Pyro5.nameserver.BroadcastServer(names_uri, "127.0.0.1", 0)
answering.runInThread()
print(answering.getPort() > 0)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.settimeout(60)
    asking.sendto(b"GET_NSURI", ("127.0.0.1", answering.getPort()))
    print(asking.recv(100).decode() == str(names_uri))
answering.close()

answering = Pyro5.nameserver.BroadcastServer(names_uri, "127.0.0.1", 0)
with Pyro5.api.Daemon() as daemon:
    uri = daemon.register(Service("and broadcasts"))
    daemon.combine(answering)
    thread = ask([uri])
    daemon.requestLoop(lambda: not done.is_set())
    thread.join()
    print(answers)
answering.close()

Pyro5.api.config.SERVERTYPE = "thread"
with Pyro5.api.Daemon() as daemon:
    uri = daemon.register(Service("threads"))
    thread = ask([uri])
    daemon.requestLoop(lambda: not done.is_set())
    thread.join()
    print(answers)
    try:
        daemon.combine(daemon)
    except TypeError:
        print("threads do not combine")
    try:
        print(daemon.selector)
    except TypeError:
        print("threads have no selector")
