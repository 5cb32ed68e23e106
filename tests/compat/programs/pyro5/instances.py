"""Instances: one for each connection, one for all, one for each call."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204, I002

import threading

import Pyro5.api


class Counter:
    made = 0

    def __init__(self):
        type(self).made += 1
        self._count = 0

    @Pyro5.api.expose
    def count(self):
        self._count += 1
        return self._count

    @Pyro5.api.expose
    def how_many(self):
        return type(self).made


class Default(Counter):
    made = 0


@Pyro5.api.behavior(instance_mode="session")
class Session(Counter):
    made = 0


@Pyro5.api.behavior(instance_mode="single")
class Single(Counter):
    made = 0


@Pyro5.api.behavior(instance_mode="percall")
class PerCall(Counter):
    made = 0


def creator(clazz):
    made = clazz("from the creator")
    print("creating", clazz.__name__)
    return made


@Pyro5.api.behavior(instance_mode="single", instance_creator=creator)
class Special:
    def __init__(self, text):
        self._text = text

    @Pyro5.api.expose
    def text(self):
        return self._text


with Pyro5.api.Daemon() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    for clazz in (Default, Session, Single, PerCall):
        uri = daemon.register(clazz)
        with Pyro5.api.Proxy(uri) as one, Pyro5.api.Proxy(uri) as two:
            print(clazz.__name__, one.count(), one.count(), two.count(), two.count())
            one._pyroRelease()
            print(one.count(), two.count(), one.how_many())
    uri = daemon.register(Special, "special")
    print(uri.object)
    with Pyro5.api.Proxy(uri) as special:
        print(special.text(), special.text())
    shared = Counter()
    uri = daemon.register(shared)
    with Pyro5.api.Proxy(uri) as one, Pyro5.api.Proxy(uri) as two:
        print(one.count(), two.count(), shared.count())
