"""Exposing: classes, methods, properties, private names, and what is known."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, ANN205, ANN206, I002

import threading

import Pyro5.api


class Base:
    def hidden(self):
        return "hidden"

    @Pyro5.api.expose
    def shown(self):
        return "shown by the base"


@Pyro5.api.expose
class Whole(Base):
    number = 42

    def __init__(self):
        self._level = 1

    def method(self, a, b=2, *rest, **named):
        return [a, b, list(rest), sorted(named.items())]

    @staticmethod
    def static(a):
        return a * 2

    @classmethod
    def of_class(cls):
        return cls.__name__

    @property
    def level(self):
        return self._level

    @level.setter
    def level(self, value):
        self._level = value

    @property
    def constant(self):
        return "always"

    @Pyro5.api.oneway
    def forgotten(self):
        return "nobody sees this"

    def _private(self):
        return "private"

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return ["a", "b", "c"][index]

    def __dunder__(self):
        return "dunder"


class Single:
    def __init__(self):
        self._size = 5

    @Pyro5.api.expose
    @property
    def size(self):
        return self._size

    @size.setter
    def size(self, value):
        self._size = value

    @property
    @Pyro5.api.expose
    def other(self):
        return self._size + 1

    @Pyro5.api.expose
    def only(self):
        return "only this"

    def not_this(self):
        return "never"


def failing(call, *args):
    try:
        print("no error:", call(*args))
    except Exception as error:
        print("error:", type(error).__name__)


with Pyro5.api.Daemon() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    with Pyro5.api.Proxy(daemon.register(Whole())) as whole:
        print(whole._pyroMethods, whole._pyroAttrs, whole._pyroOneway)
        whole._pyroBind()
        print(sorted(whole._pyroMethods))
        print(sorted(whole._pyroAttrs), sorted(whole._pyroOneway))
        print(whole.method(1), whole.method(1, 3, 4, x=5), whole.method(b=1, a=0))
        print(whole.static(4), whole.of_class(), whole.shown(), whole.__dunder__())
        print(whole.level, whole.constant)
        whole.level = 7
        print(whole.level, whole.forgotten())
        print(len(whole), whole[1], list(whole), bool(whole))
        for name in ("hidden", "_private", "number", "unknown"):
            print(name, hasattr(whole, name))
            failing(getattr, whole, name)
        failing(setattr, whole, "constant", 1)
        failing(setattr, whole, "unknown", 1)
        failing(whole._pyroInvoke, "hidden", (), {})
        failing(whole._pyroInvoke, "_private", (), {})
        failing(whole.method)
        failing(whole[1].upper)
        print({"level", "method", "shown"} <= set(dir(whole)))
    with Pyro5.api.Proxy(daemon.register(Single())) as single:
        single._pyroBind()
        print(sorted(single._pyroMethods), sorted(single._pyroAttrs))
        print(single.size, single.other, single.only())
        single.size = 8
        print(single.size, single.other)
        failing(lambda: single.not_this())
    with Pyro5.api.Proxy(daemon.uriFor("Pyro.Daemon")) as server:
        print(len(server.registered()), server.ping(), type(server.info()).__name__)
        metadata = server.get_metadata(min(server.registered()))
        print(sorted(metadata))
        failing(server.get_metadata, "unknown-object")


def refused(what):
    try:
        what()
    except Exception as error:
        print("refused:", type(error).__name__)
    else:
        print("taken")


def _private_function():
    pass


refused(lambda: Pyro5.api.expose(_private_function))
refused(lambda: Pyro5.api.expose(classmethod(lambda cls: 1)))
refused(lambda: Pyro5.api.expose(12))
refused(lambda: Pyro5.api.oneway(property(lambda self: 1)))
refused(lambda: Pyro5.api.behavior(instance_mode="unknown")(Whole))
