"""A client written for Pyro4, of the server in shop.py."""

# ruff: noqa: ANN001, ANN201
# mypy: ignore-errors

from __future__ import annotations

import sys
import threading

import Pyro4


class Listener:
    @Pyro4.expose
    def hear(self, text):
        return text.upper()


def main():
    port = int(sys.argv[1])
    key = sys.argv[2].encode() if len(sys.argv) > 2 and sys.argv[2] else None
    names = Pyro4.locateNS("localhost", port, hmac_key=key)
    print(sorted(names.list()), sorted(names.list(metadata_all={"open"})))
    with Pyro4.Proxy(f"PYRONAME:shop@localhost:{port}") as shop:
        shop._pyroHmacKey = key
        print(shop.price("lamp"), shop.price("lamp", factor=3))
        try:
            shop.price("gold")
        except ValueError as error:
            print(error.args, "not for sale" in "".join(Pyro4.util.getPyroTraceback()))
        batch = Pyro4.batch(shop)
        batch.price("a")
        batch.price("bc")
        print(list(batch()), list(shop.names()))
        if key is None:
            item = shop.item("lamp")
            print(type(item) is Pyro4.Proxy, item.name)
            with Pyro4.Daemon() as daemon:
                listener = Listener()
                daemon.register(listener)
                threading.Thread(target=daemon.requestLoop, daemon=True).start()
                print(shop.tell(listener))
                daemon.shutdown()
    print(Pyro4.resolve(f"PYROMETA:open,cheap@localhost:{port}", hmac_key=key).object)


if __name__ == "__main__":
    main()
