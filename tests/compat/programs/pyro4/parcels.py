"""What travels: serializers, converters for classes, blobs, and pickled objects."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN201, ANN204
# ruff: noqa: I002
# mypy: ignore-errors

import threading
import uuid

import Pyro4
from Pyro4.core import SerializedBlob
from Pyro4.util import SerializerBase

# Chosen by this program, and so accepted.
Pyro4.config.SERIALIZERS_ACCEPTED = {"serpent", "json", "marshal", "pickle"}


class Parcel:
    def __init__(self, to, weight):
        self.to = to
        self.weight = weight

    def __eq__(self, other):
        return (self.to, self.weight) == (other.to, other.weight)

    __hash__ = None


def parcel_to_dict(parcel):
    return {"__class__": "post.Parcel", "to": parcel.to, "weight": parcel.weight}


def dict_to_parcel(classname, fields):
    print("making", classname)
    return Parcel(fields["to"], fields["weight"])


class Post:
    @Pyro4.expose
    def echo(self, value):
        return value

    @Pyro4.expose
    def kind(self, value):
        return type(value).__name__

    @Pyro4.expose
    def heavier(self, parcel):
        return Parcel(parcel.to, parcel.weight + 1)

    @Pyro4.expose
    def pass_on(self, blob):
        return blob.info, self._pyroDaemon.combined.unpack(blob)


class Depot:
    @Pyro4.expose
    def unpack(self, blob):
        return blob.info, blob.deserialized()


def failing(what):
    try:
        return what()
    except Exception as error:
        return type(error).__name__


def main():
    daemon = Pyro4.Daemon()
    uri = daemon.register(Post(), "post")
    depot = daemon.register(Depot(), "depot")
    threading.Thread(target=daemon.requestLoop, daemon=True).start()

    values = [
        None,
        True,
        3,
        -(2**70),
        2.5,
        "text \u20ac",
        [1, [2]],
        (1, 2),
        {"a": 1},
        {3, 4},
    ]
    for name in ("serpent", "json", "marshal"):
        with Pyro4.Proxy(uri) as post:
            post._pyroSerializer = name
            print(name, [post.echo(value) for value in values])
            print([post.kind(value) for value in values])
            print(post.kind(b"bytes") if name != "json" else None)
    with Pyro4.Proxy(uri) as post:
        print(post.echo(uuid.UUID(int=7)), post.echo(b"abc") != b"abc")
        print(isinstance(post.echo(Pyro4.URI("PYRO:a@b:1")), Pyro4.URI))
        print(failing(lambda: post.echo(object())) != "object")

        SerializerBase.register_class_to_dict(Parcel, parcel_to_dict)
        SerializerBase.register_dict_to_class("post.Parcel", dict_to_parcel)
        parcel = post.heavier(Parcel("Bonn", 3))
        print(parcel == Parcel("Bonn", 4), parcel.to)
        post._pyroSerializer = "json"
        print(post.heavier(Parcel("Bern", 1)).weight)
        SerializerBase.unregister_dict_to_class("post.Parcel")
        SerializerBase.unregister_class_to_dict(Parcel)
        print(failing(lambda: post.heavier(Parcel("Bern", 1))) != "Parcel")

    with Pyro4.Proxy(uri) as post:
        post._pyroSerializer = "pickle"
        again = post.heavier(Parcel("Paris", 5))
        print(type(again) is Parcel, again.weight, post.kind({1, 2}), post.kind((1,)))
        print(post.echo({(1, 2): {3}, "d": 1 + 2j}))

    with Pyro4.Proxy(depot) as proxy:
        info, content = proxy.unpack(SerializedBlob("number 7", [1, 2, {"a": "b"}]))
        print(info, content)

    for name in ("serpent", "json", "marshal"):
        serializer = Pyro4.util.get_serializer(name)
        data, compressed = serializer.serializeData(
            {"n": list(range(100))}, compress=True
        )
        print(serializer.serializer_id, compressed, isinstance(data, bytes))
        print(serializer.deserializeData(data, compressed) == {"n": list(range(100))})
        print(serializer.loads(serializer.dumps([1, "two"])))
    print(failing(lambda: Pyro4.util.get_serializer("nothing")))
    print(failing(lambda: setattr(Pyro4.Proxy(uri), "nothing", 1)) != "x")
    daemon.shutdown()

    Pyro4.config.SERIALIZER = "marshal"
    Pyro4.config.COMPRESSION = True
    with Pyro4.Daemon() as daemon:
        uri = daemon.register(Post(), "post")
        threading.Thread(target=daemon.requestLoop, daemon=True).start()
        with Pyro4.Proxy(uri) as post:
            print(post.echo([1.5, (2, 3)]), post.echo("x" * 1000) == "x" * 1000)
        daemon.shutdown()


main()
