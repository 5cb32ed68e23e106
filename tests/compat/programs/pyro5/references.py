"""References: callbacks, objects that become proxies, registering and giving up."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN204, I002

import threading

import Pyro5.api
import Pyro5.errors


@Pyro5.api.expose
class Item:
    def __init__(self, name):
        self._name = name

    def name(self):
        return self._name


@Pyro5.api.expose
class Shop:
    def __init__(self):
        self._items = {}

    def make(self, name):
        item = Item(name)
        self._items[name] = item
        self._pyroDaemon.register(item)
        return item

    def forget(self, name):
        self._pyroDaemon.unregister(self._items.pop(name))

    def same(self):
        return self

    def call_back(self, callback, count):
        for number in range(count):
            callback.progress(number)
        callback.finished("all done")
        return callback.answer(count)

    def name_of(self, item):
        return type(item).__name__, item.name()

    def failing_callback(self, callback):
        try:
            callback.fails()
        except ZeroDivisionError:
            return "the callback has failed"


class Callback:
    def __init__(self):
        self.seen = []
        self.done = threading.Event()

    @Pyro5.api.expose
    @Pyro5.api.callback
    def progress(self, number):
        self.seen.append(number)

    @Pyro5.api.expose
    @Pyro5.api.oneway
    def finished(self, text):
        self.seen.append(text)
        self.done.set()

    @Pyro5.api.expose
    def answer(self, number):
        return number * 2

    @Pyro5.api.expose
    def fails(self):
        return 1 // 0


def failing(call, *args, **kwargs):
    try:
        print("no error:", call(*args, **kwargs))
    except Exception as error:
        print("error:", type(error).__name__)


with Pyro5.api.Daemon() as daemon, Pyro5.api.Daemon() as client_daemon:
    for one in (daemon, client_daemon):
        threading.Thread(target=one.requestLoop, daemon=True).start()
    shop = Shop()
    uri = daemon.register(shop, "shop")
    print(
        shop._pyroId,
        uri.object,
        daemon.uriFor(shop) == uri,
        daemon.uriFor("shop") == uri,
    )
    with Pyro5.api.Proxy(uri) as proxy:
        item = proxy.make("pen")
        print(type(item).__name__, item.name(), item._pyroUri.location == uri.location)
        print(proxy.same() == proxy, proxy.name_of(item))
        callback = Callback()
        client_daemon.register(callback)
        print(proxy.call_back(callback, 3), callback.done.wait(60), callback.seen)
        print(proxy.failing_callback(callback))
        proxy.forget("pen")
        item._pyroRelease()
        failing(item.name)
    print(sorted(daemon.objectsById) == sorted(["Pyro.Daemon", "shop"]))
    failing(daemon.register, shop)
    failing(daemon.register, Item("x"), "shop")
    failing(daemon.register, Item("x"), 12)
    failing(daemon.unregister, None)
    failing(daemon.uriFor, Item("unknown"))
    failing(daemon.proxyFor, "unknown")
    print(daemon.register(shop, "again", force=True).object)
    other = Item("other")
    print(
        daemon.register(other, "item").object,
        daemon.proxyFor(other).name(),
        daemon.proxyFor("item").name(),
    )
    daemon.unregister("unknown")
    daemon.unregister("item")
    with Pyro5.api.Proxy(daemon.uriFor("item")) as gone:
        failing(lambda: gone.name())
    weakly = Item("weak")
    weak_uri = daemon.register(weakly, weak=True)
    with Pyro5.api.Proxy(weak_uri) as proxy:
        print(proxy.name())
        del weakly
        failing(proxy.name)
    failing(daemon.register, Item, weak=True)
    daemon.unregister(shop)
    print(hasattr(shop, "_pyroId"))
