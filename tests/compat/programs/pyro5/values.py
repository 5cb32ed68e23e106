"""Values: every serializer, classes with converters, and blobs that are passed on."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN002, ANN201, ANN204, I002

import datetime as dt
import decimal
import threading
import uuid

import Pyro5.api
import Pyro5.client
import Pyro5.errors
import serpent


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __repr__(self):
        return f"Point({self.x}, {self.y})"


def point_to_dict(point):
    return {"__class__": "shapes.Point", "x": point.x, "y": point.y}


def dict_to_point(name, values):
    print("making", name)
    return Point(values["x"], values["y"])


@Pyro5.api.expose
class Echo:
    def echo(self, value):
        return value

    def kind(self, value):
        return type(value).__name__

    def blob(self, blob):
        return [blob.info, repr(blob.deserialized())]

    def forward(self, blob):
        print("forwarding", blob.info)
        with Pyro5.api.Proxy(self._second) as second:
            return second.blob(blob)


def failing(call, *args):
    try:
        print("no error:", call(*args))
    except Exception as error:
        print("error:", type(error).__name__)


Pyro5.api.config.SERIALIZER = "marshal"
with Pyro5.api.Daemon() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    echo = Echo()
    uri = daemon.register(echo)
    Echo._second = daemon.register(Echo())
    for name in ("serpent", "json", "msgpack", "marshal"):
        Pyro5.api.config.SERIALIZER = name
        print("with", name)
        with Pyro5.api.Proxy(uri) as proxy:
            for value in (
                None,
                True,
                12345678901234567890,
                1.5,
                "text é",
                [1, 2],
                (1, (2, 3)),
                {"a": [1], "b": None},
                float("inf"),
            ):
                print(repr(proxy.echo(value)))
            print(sorted(proxy.echo({3, 1, 2})))
            if name != "json":
                print(proxy.echo(3 + 4j))
                data = proxy.echo(b"bytes\x00")
                print(serpent.tobytes(data) if name == "serpent" else data)
            if name in ("serpent", "json"):
                print(
                    proxy.echo(
                        dt.datetime(2024, 2, 3, 4, 5, 6)  # noqa: DTZ001 - it travels as it is
                    )
                )
                print(proxy.echo(decimal.Decimal("1.50")))
            print(proxy.echo(uuid.UUID(int=5)))
            failing(proxy.echo, Point(1, 2))
    Pyro5.api.config.SERIALIZER = "serpent"
    with Pyro5.api.Proxy(uri) as proxy:
        Pyro5.api.register_class_to_dict(Point, point_to_dict)
        failing(proxy.echo, Point(1, 2))
        proxy._pyroRelease()
        Pyro5.api.register_dict_to_class("shapes.Point", dict_to_point)
        print(proxy.echo(Point(1, 2)), proxy.kind(Point(3, 4)))
        print(proxy.echo([Point(5, 6), {"p": Point(7, 8)}]))
        proxy._pyroSerializer = "json"
        print(proxy.echo(Point(9, 10)))
        proxy._pyroSerializer = None
        print(proxy.blob(Pyro5.client.SerializedBlob("about it", [Point(1, 1)])))
        print(proxy.forward(Pyro5.api.SerializedBlob("to the second", [1, 2, 3])))
        failing(proxy.echo, Pyro5.api.SerializedBlob("x", 1), 2)
        Pyro5.api.unregister_dict_to_class("shapes.Point")
        Pyro5.api.unregister_class_to_dict(Point)
        failing(proxy.echo, Point(1, 2))
    with Pyro5.api.Proxy(uri) as proxy:
        Pyro5.api.SerializerBase.register_class_to_dict(
            Point, lambda one: {"__class__": "P", "x": one.x}
        )
        Pyro5.api.SerializerBase.register_dict_to_class(
            "P", lambda name, values: ("was", name, values["x"])
        )
        print(proxy.echo(Point(11, 12)))
        print(proxy.echo(uri) == uri, proxy.echo(proxy) == proxy)
