"""Objects, their methods and attributes, and what goes wrong with them."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, ANN205, ANN206
# ruff: noqa: I002, PLR0915
# mypy: ignore-errors

import sys
import threading

import Pyro4
import Pyro4.errors
import Pyro4.util

sys.excepthook = Pyro4.util.excepthook


@Pyro4.expose
class Warehouse:
    town = "Utrecht"

    def __init__(self):
        self._stock = ["chair", "lamp"]
        self._limit = 10

    def stock(self):
        return self._stock

    def store(self, name, *more, **how):
        self._stock.extend([name, *more])
        return sorted(how.items())

    def take(self, name):
        if name not in self._stock:
            raise KeyError(name)
        self._stock.remove(name)
        return name

    @property
    def limit(self):
        return self._limit

    @limit.setter
    def limit(self, value):
        if value < 1:
            raise ValueError("too small", value)
        self._limit = value

    @property
    def size(self):
        return len(self._stock)

    @staticmethod
    def double(number):
        return 2 * number

    @classmethod
    def kind(cls):
        return cls.__name__

    def __len__(self):
        return len(self._stock)

    def __getitem__(self, index):
        return self._stock[index]

    def _count(self):
        return 0

    def own(self):
        return self._pyroDaemon.uriFor(self) == self._pyroDaemon.uriFor("warehouse")


class Half:
    @Pyro4.expose
    def open(self):
        return "open"

    def closed(self):
        return "never seen"


def failing(what):
    try:
        return what()
    except Exception as error:
        return f"{type(error).__name__} {error.args[:2]}"


def name_of_failure(what):
    try:
        return what()
    except Exception as error:
        return type(error).__name__


def main():
    daemon = Pyro4.Daemon(host="localhost")
    uri = daemon.register(Warehouse(), "warehouse")
    half = daemon.register(Half)
    threading.Thread(target=daemon.requestLoop, daemon=True).start()

    print(uri.protocol, uri.object, uri.host, uri.port == daemon.sock.getsockname()[1])
    print(uri.location == daemon.locationStr, str(uri) == uri.asString())
    print(
        uri == Pyro4.URI(str(uri)), Pyro4.URI("pyro:a@b:1"), Pyro4.URI("PYRO:o@./u:/s")
    )
    print(half.object.startswith("obj_"), len(half.object))
    print(
        sorted(daemon.objectsById) == sorted(["Pyro.Daemon", "warehouse", half.object])
    )

    with Pyro4.Proxy(uri) as house:
        print(house._pyroConnection is None)
        print(house.stock(), house.store("table", "bed", colour="red", size=2))
        print(house.take("lamp"), house.stock())
        print(failing(lambda: house.take("piano")))
        print(house.limit, house.size)
        house.limit = 12
        print(house.limit, failing(lambda: setattr(house, "limit", 0)))
        print(name_of_failure(lambda: setattr(house, "size", 3)))
        print(
            house.double(21),
            house.kind(),
            house.__len__(),
            house.__getitem__(0),
            bool(house),
        )
        print(hasattr(house, "stock"), hasattr(house, "piano"), hasattr(house, "town"))
        print(
            name_of_failure(lambda: house.piano()),
            name_of_failure(lambda: house._count()),
        )
        print(name_of_failure(lambda: house.stock.append("x")))
        print(name_of_failure(lambda: house.store()))
        print(sorted(house._pyroMethods), sorted(house._pyroAttrs))
        print(house.own())
        try:
            house.take("violin")
        except KeyError:
            lines = "".join(Pyro4.util.getPyroTraceback()).splitlines()
            print(lines[0], any("raise KeyError(name)" in line for line in lines))
        print(house._pyroConnection is None)
    print(house._pyroConnection is None, house.double(1))
    house._pyroRelease()

    other = Pyro4.Proxy(half)
    print(other.open(), name_of_failure(lambda: other.closed()))
    other._pyroReconnect()
    print(other._pyroBind(), other == Pyro4.Proxy(half), other == house)
    print(len({other, Pyro4.Proxy(half)}))
    other._pyroRelease()

    print(failing(lambda: daemon.register(Half, "again")).split()[0])
    print(name_of_failure(lambda: daemon.register(Half(), "warehouse")))
    print(name_of_failure(lambda: daemon.uriFor([])))
    shown = daemon.proxyFor("warehouse")
    print(shown.double(4), sorted(shown._pyroMethods)[:2])
    shown._pyroRelease()
    daemon.unregister("warehouse")
    try:
        house.stock()
    except Pyro4.errors.PyroError as error:
        print("unknown object" in str(error))
    house._pyroRelease()
    print(name_of_failure(lambda: Pyro4.Proxy("nonsense")))
    print(name_of_failure(lambda: Pyro4.Proxy(7)))
    info = Pyro4.Proxy("PYRO:Pyro.Daemon@" + daemon.locationStr)
    print(
        info.ping(), sorted(info.registered()) == sorted(["Pyro.Daemon", half.object])
    )
    print(sorted(info.get_metadata(half.object, as_lists=True).items()))
    info._pyroRelease()
    daemon.shutdown()
    print(name_of_failure(lambda: Pyro4.Proxy(half).open()))


main()
