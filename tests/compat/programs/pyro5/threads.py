"""Proxies among threads: copies, owners, pickles and comparing."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204, I002

import copy
import pickle
import threading

import Pyro5.api


@Pyro5.api.expose
class Adder:
    def __init__(self):
        self._lock = threading.Lock()
        self._total = 0

    def add(self, number):
        with self._lock:
            self._total += number

    def total(self):
        return self._total


def in_thread(work):
    results = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


with Pyro5.api.Daemon() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    uri = daemon.register(Adder(), "adder")
    proxy = Pyro5.api.Proxy(uri)
    proxy.add(1)

    def with_copy():
        with copy.copy(proxy) as own:
            for number in range(10):
                own.add(number)
        return own == proxy

    threads = [threading.Thread(target=with_copy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(proxy.total())

    def claiming():
        proxy._pyroClaimOwnership()
        return proxy.total()

    print(in_thread(claiming))
    proxy._pyroClaimOwnership()
    print(proxy.total())
    again = pickle.loads(pickle.dumps(proxy))
    print(
        type(again) is Pyro5.api.Proxy,
        again == proxy,
        again._pyroConnection,
        sorted(again._pyroMethods),
    )
    print(again.total(), hash(again) == hash(proxy), again != proxy, proxy == 1)
    proxy._pyroTimeout = 33
    proxy._pyroMaxRetries = 2
    proxy._pyroSerializer = "json"
    duplicate = copy.copy(proxy)
    print(duplicate._pyroTimeout, duplicate._pyroMaxRetries, duplicate._pyroSerializer)
    print(
        pickle.loads(pickle.dumps(proxy))._pyroSerializer,
        pickle.loads(pickle.dumps(uri)) == uri,
    )
    batch = Pyro5.api.BatchProxy(proxy)
    batch.add(100)
    twice = copy.copy(batch)
    list(batch()), list(twice())
    print(proxy.total())
    text = repr(proxy)
    print(
        text.startswith("<Pyro5.client.Proxy at 0x"),
        "connected IPv4" in text,
        str(uri) in text,
    )
    duplicate._pyroRelease()
    proxy._pyroRelease()
    print("not connected" in repr(proxy))
    print("Pyro5.server.Daemon" in repr(daemon))
