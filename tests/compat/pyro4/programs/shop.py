"""A server written for Pyro4, with a name server of its own."""

# ruff: noqa: ANN001, ANN201, ANN204
# mypy: ignore-errors

from __future__ import annotations

import sys
import threading

import Pyro4
import Pyro4.naming


@Pyro4.behavior(instance_mode="single")
class Shop:
    @Pyro4.expose
    def price(self, name, factor=1):
        if name == "gold":
            raise ValueError("not for sale", name)
        return len(name) * factor

    @Pyro4.expose
    def item(self, name):
        item = Item(name)
        self._pyroDaemon.register(item)
        return item

    @Pyro4.expose
    def names(self):
        yield from ("lamp", "chair")

    @Pyro4.expose
    def tell(self, listener):
        return listener.hear("news")


@Pyro4.expose
class Item:
    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        return self._name


def main():
    key = sys.argv[1] if len(sys.argv) > 1 else None
    uri, names, _ = Pyro4.naming.startNS(host="localhost", port=0, hmac=key)
    threading.Thread(target=names.requestLoop, daemon=True).start()
    with Pyro4.Daemon() as daemon:
        daemon._pyroHmacKey = key
        shop = daemon.register(Shop, "shop")
        names.nameserver.register("shop", shop, metadata={"open", "cheap"})
        print("names at", uri.port, flush=True)
        daemon.requestLoop()


if __name__ == "__main__":
    main()
