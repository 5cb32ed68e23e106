"""Calls whose results are asked for later: proxies, batches and plain functions."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN201, ANN202, ANN204
# ruff: noqa: FBT003, I002, PLR0915
# mypy: ignore-errors

import copy
import threading

import Pyro4
import Pyro4.futures


@Pyro4.behavior(instance_mode="single")
@Pyro4.expose
class Worker:
    def __init__(self):
        self.gate = threading.Event()

    def divide(self, a, b):
        return a // b

    def wait(self, seconds):
        return self.gate.wait(seconds)

    def open(self):
        self.gate.set()

    @property
    def colour(self):
        return "green"


def add(a, b, factor=1):
    return (a + b) * factor


def fail(_value):
    raise ValueError("in the chain")


def main():
    daemon = Pyro4.Daemon()
    uri = daemon.register(Worker)
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    worker = Pyro4.Proxy(uri)
    other = Pyro4.Proxy(uri)

    worker._pyroAsync()
    result = worker.divide(100, 7)
    print(isinstance(result, Pyro4.futures.FutureResult), result.value, result.ready)
    waiting = worker.wait(60)
    print(waiting.ready, waiting.wait(timeout=0.01))
    other.open()
    print(waiting.wait(), waiting.value, waiting.ready)

    failed = worker.divide(1, 0)
    print(failed.wait(), failed.ready)
    try:
        print(failed.value)
    except ZeroDivisionError as error:
        print("ZeroDivisionError", bool(error.args))

    chained = worker.divide(100, 5).then(add, 2).then(add, 3, factor=10)
    print(chained.value)
    print(chained.then(add, 1).value)
    seen = []
    done = threading.Event()

    def handler(error):
        seen.append(type(error).__name__)
        done.set()

    worker.divide(1, 0).iferror(handler)
    print(done.wait(60), seen)

    twin = copy.copy(worker)
    print(isinstance(twin.divide(6, 3), Pyro4.futures.FutureResult))
    Pyro4.asyncproxy(worker, asynchronous=False)
    print(worker.divide(6, 3))
    Pyro4.asyncproxy(worker)
    print(worker.divide(8, 2).value)
    worker._pyroAsync(False)

    batch = Pyro4.batch(worker)
    for number in range(4):
        batch.divide(10 * number, 3)
    results = batch(asynchronous=True)
    print(isinstance(results, Pyro4.futures.FutureResult), list(results.value))

    future = Pyro4.Future(add).then(add, 4).then(add, 5, factor=2)
    result = future(1, 2, factor=3)
    print(result.value)
    try:
        future(1, 2)
    except RuntimeError:
        print("only once")
    print(future.delay(1), future.cancel())

    late = Pyro4.Future(add)
    print(late.delay(600))
    promise = late(1, 1)
    print(promise.ready, late.cancel())
    try:
        print(promise.value)
    except RuntimeError:
        print("cancelled")
    never = Pyro4.Future(add)
    print(never.cancel())
    try:
        never(1, 1)
    except RuntimeError:
        print("cancelled before")

    troubled = Pyro4.Future(fail)
    caught = threading.Event()
    troubled.iferror(lambda error: caught.set())
    troubled(1)
    print(caught.wait(60))
    for proxy in (worker, other, twin):
        proxy._pyroRelease()
    daemon.shutdown()


main()
