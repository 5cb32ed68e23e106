"""Results that come item by item, and retries and timeouts of calls."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN201, ANN204
# ruff: noqa: B905, I002
# mypy: ignore-errors

import threading

import Pyro4
from Pyro4.errors import PyroError
from Pyro4.errors import TimeoutError as PyroTimeoutError


@Pyro4.behavior(instance_mode="single")
@Pyro4.expose
class Source:
    def __init__(self):
        self._release = threading.Event()
        self._tries = 0

    def numbers(self, most):
        for number in range(most):
            yield number * number

    def letters(self):
        return iter("abc")

    def broken(self):
        yield 1
        raise ValueError("out of order")

    def hang(self):
        self._tries += 1
        return self._release.wait(60)

    def let_go(self):
        self._release.set()

    def tries(self):
        return self._tries


class Tap:
    @Pyro4.expose
    def drops(self):
        yield "drop"


def main():
    daemon = Pyro4.Daemon()
    uri = daemon.register(Source)
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    with Pyro4.Proxy(uri) as source:
        print(list(source.numbers(5)), list(source.letters()))
        stream = source.numbers(1000)
        print(next(stream), next(stream), [a for a, _ in zip(stream, range(3))])
        stream.close()
        broken = source.broken()
        print(next(broken))
        try:
            next(broken)
        except ValueError as error:
            print(error)
        one, two = source.numbers(3), source.numbers(3)
        print([*zip(one, two)])

    Pyro4.config.ITER_STREAMING = False
    other = Pyro4.Daemon()
    place = other.register(Tap)
    threading.Thread(target=other.requestLoop, daemon=True).start()
    with Pyro4.Proxy(place) as source:
        try:
            source.drops()
        except PyroError as error:
            print("refused", type(error).__name__)
    other.shutdown()
    Pyro4.config.ITER_STREAMING = True

    slow = Pyro4.Proxy(uri)
    slow._pyroTimeout = 0.3
    print(slow._pyroTimeout, slow._pyroMaxRetries)
    try:
        slow.hang()
    except PyroTimeoutError:
        print("too slow")
    slow._pyroMaxRetries = 2
    try:
        slow.hang()
    except PyroTimeoutError:
        print("still too slow")
    with Pyro4.Proxy(uri) as source:
        source.let_go()
        print(source.tries())
    slow._pyroTimeout = None
    print(slow.hang())
    slow._pyroRelease()
    Pyro4.config.COMMTIMEOUT = 7.5
    Pyro4.config.MAX_RETRIES = 3
    later = Pyro4.Proxy(uri)
    print(later._pyroTimeout, later._pyroMaxRetries)
    daemon.shutdown()


main()
