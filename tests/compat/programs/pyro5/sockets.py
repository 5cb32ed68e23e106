"""Other ways to connect: Unix sockets, pairs of sockets, published addresses."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, I002

import socket
import tempfile
import threading
from pathlib import Path

import Pyro5.api
import Pyro5.errors
import Pyro5.socketutil


@Pyro5.api.expose
class Service:
    def who(self):
        return "reached"

    def numbers(self):
        yield from (1, 2)


def served(daemon):
    thread = threading.Thread(target=daemon.requestLoop, daemon=True)
    thread.start()
    return thread


with tempfile.TemporaryDirectory() as folder:
    path = str(Path(folder) / "s")
    with Pyro5.api.Daemon(unixsocket=path) as daemon:
        thread = served(daemon)
        uri = daemon.register(Service(), "service")
        print(str(uri).replace(path, "PATH"), daemon.locationStr.replace(path, "PATH"))
        with Pyro5.api.Proxy(uri) as proxy:
            print(proxy.who(), uri.sockname == path, uri.host, uri.port)
        daemon.shutdown()
    print(Path(path).exists())

mine, other = socket.socketpair()
with Pyro5.api.Daemon(connected_socket=mine) as daemon:
    daemon.register(Service(), "service")
    thread = served(daemon)
    with Pyro5.api.Proxy("service", connected_socket=other) as proxy:
        print(proxy.who(), list(proxy.numbers()), sorted(proxy._pyroMethods))
        print(proxy._pyroUri.protocol, proxy._pyroUri.object)
    print(other.fileno() != -1)
    again = Pyro5.api.Proxy("service", connected_socket=other)
    print(again.who())
    try:
        daemon.combine(daemon)
    except Exception as error:
        print(isinstance(error, Pyro5.errors.PyroError))
other.close()
mine.close()

with Pyro5.api.Daemon(nathost="nat.example.org", natport=4444) as daemon:
    uri = daemon.register(Service(), "service")
    print(uri, daemon.natLocationStr)
    print(
        daemon.uriFor("service", nat=False).host,
        daemon.uriFor("service", nat=False) == uri,
    )
try:
    Pyro5.api.Daemon(natport=4444)
except ValueError:
    print("a port without its host")

port = Pyro5.socketutil.find_probably_unused_port()
print(
    type(port).__name__,
    Pyro5.socketutil.get_ip_address("127.0.0.1"),
    Pyro5.socketutil.get_ip_address("127.0.0.1").version,
)
listening = Pyro5.socketutil.create_socket(bind=("127.0.0.1", 0))
connected = Pyro5.socketutil.create_socket(connect=listening.getsockname(), timeout=60)
accepted, _ = listening.accept()
Pyro5.socketutil.send_data(connected, b"some bytes")
print(Pyro5.socketutil.receive_data(accepted, 10))
connection = Pyro5.socketutil.SocketConnection(accepted, "an object")
connection.send(b"back")
print(
    Pyro5.socketutil.receive_data(connected, 4),
    connection.objectId,
    connection.family(),
)
connected.close()
try:
    connection.recv(1)
except Pyro5.errors.ConnectionClosedError:
    print("it is gone")
connection.close()
listening.close()
