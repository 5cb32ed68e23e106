"""HMAC keys: who has not got the key gets nowhere."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN201
# ruff: noqa: I002
# mypy: ignore-errors

import threading

import Pyro4
import Pyro4.naming
from Pyro4.errors import CommunicationError, NamingError

KEY = b"a key that both sides have"


@Pyro4.expose
class Safe:
    def open(self):
        return "gold"


def failing(what):
    try:
        return what()
    except (CommunicationError, NamingError) as error:
        return "refused", isinstance(error, NamingError)


def opened(uri, key):
    proxy = Pyro4.Proxy(uri)
    proxy._pyroHmacKey = key
    try:
        return failing(lambda: proxy.open())
    finally:
        proxy._pyroRelease()


def main():
    daemon = Pyro4.Daemon()
    print(daemon._pyroHmacKey)
    daemon._pyroHmacKey = KEY
    uri = daemon.register(Safe(), "safe")
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    print(opened(uri, KEY), opened(uri, None), opened(uri, b"another key"))
    with Pyro4.Proxy(uri) as proxy:
        proxy._pyroHmacKey = KEY
        print(proxy.open(), proxy._pyroHmacKey == KEY)
        proxy._pyroRelease()
        print(proxy.open())

    lax = Pyro4.Daemon()
    lax_uri = lax.register(Safe(), "safe")
    threading.Thread(target=lax.requestLoop, daemon=True).start()
    print(opened(lax_uri, None), opened(lax_uri, KEY))
    lax.shutdown()

    ns_uri, ns_daemon, _ = Pyro4.naming.startNS(host="localhost", port=0, hmac=KEY)
    threading.Thread(target=ns_daemon.requestLoop, daemon=True).start()
    host, port = ns_uri.host, ns_uri.port
    print(failing(lambda: Pyro4.locateNS(host, port)))
    with Pyro4.locateNS(host, port, hmac_key=KEY) as names:
        names.register("safe", uri)
        print(names.lookup("safe") == uri)
    name = f"PYRONAME:safe@{host}:{port}"
    print(Pyro4.resolve(name, hmac_key=KEY) == uri)
    print(opened(name, KEY))
    ns_daemon.shutdown()
    daemon.shutdown()


main()
