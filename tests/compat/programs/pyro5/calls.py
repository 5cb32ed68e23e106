"""Calls: batches, oneway, streams of items, containers."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204, I002

import threading

import Pyro5.api
import Pyro5.client
import Pyro5.errors


@Pyro5.api.expose
class Service:
    def __init__(self):
        self.seen = []
        self.arrived = threading.Event()

    def add(self, a, b):
        self.seen.append((a, b))
        return a + b

    def divide(self, a, b):
        return a // b

    @Pyro5.api.oneway
    def later(self, value):
        self.seen.append(value)
        self.arrived.set()
        return "not seen"

    def numbers(self, most):
        yield from range(most)

    def listed(self):
        return iter(["x", "y"])

    def broken(self):
        yield 1
        raise ValueError("the stream breaks")

    def what_was_seen(self):
        return [list(one) if isinstance(one, tuple) else one for one in self.seen]


service = Service()
with Pyro5.api.Daemon() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    with Pyro5.api.Proxy(daemon.register(service)) as proxy:
        batch = Pyro5.api.BatchProxy(proxy)
        print(batch.add(1, 2), batch.add(3, 4), batch.divide(9, 2))
        results = batch()
        print(list(results))
        print(list(batch()))
        batch.add(5, 5)
        batch.divide(1, 0)
        batch.add(6, 6)
        results = batch()
        print(next(results))
        try:
            next(results)
        except ZeroDivisionError as error:
            print("failed in the batch:", error)
        print(list(results))
        batch.add(7, 7)
        batch.later("from the batch")
        print(batch(oneway=True))
        service.arrived.wait(60)
        service.arrived.clear()
        print(proxy.later("alone"))
        service.arrived.wait(60)
        print(proxy.what_was_seen())
        print(list(proxy.numbers(5)), list(proxy.listed()))
        stream = proxy.numbers(1000)
        print(next(stream), next(stream), proxy.add(1, 1), next(stream))
        stream.close()
        try:
            next(stream)
        except StopIteration:
            print("the stream is closed")
        stream = proxy.broken()
        print(next(stream))
        try:
            next(stream)
        except ValueError as error:
            print("from the stream:", error)
        print(sum(proxy.numbers(20)))
        proxy._pyroOneway.add("add")
        print(proxy.add(8, 8))
        proxy._pyroOneway.discard("add")
        print(proxy.add(8, 8))
    Pyro5.api.config.ITER_STREAMING = False
with Pyro5.api.Daemon() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    with Pyro5.api.Proxy(daemon.register(service)) as proxy:
        try:
            print(proxy.numbers(3))
        except Pyro5.errors.PyroError as error:
            print("no streams:", type(error).__name__)
