"""Settings, constants, errors, sockets, and classes without marks."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN201, ANN202
# ruff: noqa: I002, PLR0915, TRY301
# mypy: ignore-errors

import os
import socket
import threading

os.environ["PYRO_THREADPOOL_SIZE"] = "12"
os.environ["PYRO_DETAILED_TRACEBACK"] = "yes"
os.environ["PYRO_HMAC_KEY"] = "of no interest"

import Pyro4
import Pyro4.constants
import Pyro4.errors
import Pyro4.socketutil
import Pyro4.util

# A server accepts marshal without being told in Pyro4 alone.
DIFFERENT = {"SERIALIZERS_ACCEPTED"}


class Unmarked:
    def public(self):
        return "public"

    def _private(self):
        return "private"

    @property
    def colour(self):
        return "red"

    @Pyro4.oneway
    def later(self):
        pass


class Derived(Unmarked):
    def more(self):
        return "more"


def main():
    config = Pyro4.config.asDict()
    for item in sorted(set(config) - DIFFERENT):
        print(item, repr(config[item]))
    Pyro4.config.SERIALIZERS_ACCEPTED.add("pickle")
    print(sorted(Pyro4.config.SERIALIZERS_ACCEPTED - {"marshal"}))
    Pyro4.config.reset(useenvironment=False)
    print(Pyro4.config.THREADPOOL_SIZE, Pyro4.config.DETAILED_TRACEBACK)
    print("pickle" in Pyro4.config.SERIALIZERS_ACCEPTED)
    print(list(Pyro4.config.parseAddressesString("a, b ,c")))
    text = Pyro4.config.dump()
    print("THREADPOOL_SIZE = 40" in text)
    try:
        Pyro4.config.NO_SUCH_THING = 1
    except AttributeError as error:
        print(error)
    print(Pyro4.constants.DAEMON_NAME, Pyro4.constants.NAMESERVER_NAME)
    print(
        Pyro4.__version__ == Pyro4.constants.VERSION, Pyro4.constants.PROTOCOL_VERSION
    )
    errors = Pyro4.errors
    for name in (
        "CommunicationError",
        "ConnectionClosedError",
        "DaemonError",
        "MessageTooLargeError",
        "NamingError",
        "ProtocolError",
        "PyroError",
        "SecurityError",
        "SerializeError",
        "TimeoutError",
    ):
        known = [base.__name__ for base in getattr(errors, name).__mro__]
        print(known[: known.index("Exception") + 1])

    print(
        Pyro4.socketutil.getIpVersion("127.0.0.1"), Pyro4.socketutil.getIpVersion("::1")
    )
    print(Pyro4.socketutil.getIpAddress("localhost", ipVersion=4))
    print(Pyro4.socketutil.getInterfaceAddress("127.0.0.1"))
    listener = Pyro4.socketutil.createSocket(bind=("127.0.0.1", 0))
    sender = Pyro4.socketutil.createSocket(connect=listener.getsockname())
    receiver, _ = listener.accept()
    Pyro4.socketutil.sendData(sender, b"0123456789")
    print(
        Pyro4.socketutil.receiveData(receiver, 4),
        Pyro4.socketutil.receiveData(receiver, 6),
    )
    sender.close()
    try:
        Pyro4.socketutil.receiveData(receiver, 1)
    except Pyro4.errors.ConnectionClosedError:
        print("closed")
    receiver.close()
    listener.close()
    broadcast = Pyro4.socketutil.createBroadcastSocket(bind=("127.0.0.1", 0))
    print(broadcast.type == socket.SOCK_DGRAM)
    broadcast.close()

    print(
        Pyro4.util.is_private_attribute("_a"),
        Pyro4.util.is_private_attribute("__len__"),
    )
    try:
        raise ValueError("local")
    except ValueError:
        print(Pyro4.util.formatTraceback()[-1].strip())
        print(Pyro4.util.getPyroTraceback()[-1].strip())

    Pyro4.config.REQUIRE_EXPOSE = False
    daemon = Pyro4.Daemon()
    uri = daemon.register(Derived(), "unmarked")
    Pyro4.config.REQUIRE_EXPOSE = True
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    Pyro4.config.REQUIRE_EXPOSE = False
    with Pyro4.Proxy(uri) as proxy:
        print(proxy.public(), proxy.more(), proxy.colour, proxy.later())
        print(
            sorted(proxy._pyroMethods),
            sorted(proxy._pyroAttrs),
            sorted(proxy._pyroOneway),
        )
        try:
            proxy._private()
        except AttributeError:
            print("stays private")
    daemon.shutdown()
    with Pyro4.Daemon(nathost="example.com", natport=5555) as daemon:
        print(daemon.natLocationStr, daemon.uriFor("thing").location)
        print(daemon.uriFor("thing", nat=False).location == daemon.locationStr)


main()
