"""A client for the program offering.py, which is told where that is."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, ANN204, I002

import sys
import threading
import uuid

import Pyro5.api
import Pyro5.errors


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


Pyro5.api.register_class_to_dict(
    Point, lambda point: {"__class__": "shapes.Point", "x": point.x, "y": point.y}
)
Pyro5.api.register_dict_to_class(
    "shapes.Point", lambda name, values: Point(values["x"], values["y"])
)


@Pyro5.api.expose
class Callback:
    def twice(self, number):
        return number * 2

    @Pyro5.api.callback
    def fail(self):
        raise Pyro5.errors.DaemonError("the callback says no")


class Greeted(Pyro5.api.Proxy):
    def _pyroValidateHandshake(self, response):
        print("handshake:", response)


where = Pyro5.api.URI(sys.argv[1])
names = Pyro5.api.locate_ns(where.host, where.port)
print(
    sorted(names.list()), sorted(names.lookup("the.service", return_metadata=True)[1])
)
print(sorted(names.yplookup(meta_all={"tag"}, return_metadata=False)))
proxy = Greeted(sys.argv[1])
proxy._pyroHandshake = "asking"
Pyro5.api.current_context.annotations = {"ASKS": b"question"}
Pyro5.api.current_context.correlation_id = uuid.UUID(int=9)
for serializer in ("serpent", "json", "msgpack"):
    proxy._pyroSerializer = serializer
    print(proxy.echo([1, "two", None, {"three": 3.5}]), proxy.level)
    point = proxy.mirrored(Point(1, 2))
    print(type(point).__name__, point.x, point.y)
    with proxy.part() as part:
        print(type(part).__name__, part.name())
    for kind in ("value", "naming"):
        try:
            proxy.fail(kind)
        except Exception as error:
            print(
                type(error).__name__,
                error,
                "in fail" in "".join(Pyro5.errors.get_pyro_traceback()),
            )
    print(list(proxy.numbers(4)))
    print(proxy.context())
    answer = Pyro5.api.current_context.response_annotations
    print(bytes(answer["ANSW"]).decode())
    plain = Pyro5.api.Proxy(proxy._pyroUri)
    print(proxy.echo(plain) == plain, proxy.echo(proxy._pyroUri) == proxy._pyroUri)
proxy._pyroSerializer = None
print(proxy.blob(Pyro5.api.SerializedBlob("info", (1, 2))))
proxy.level = 5
print(proxy.level)
with Pyro5.api.Daemon("127.0.0.1") as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    callback = Callback()
    daemon.register(callback)
    print(proxy.call_back(callback, 21))
batch = Pyro5.api.BatchProxy(proxy)
batch.echo("one")
batch.fail("value")
batch.echo("never")
results = batch()
print(next(results))
try:
    next(results)
except ValueError as error:
    print("in the batch:", error)
print(proxy.note("something"), proxy.was_noted())
proxy.stop()
proxy._pyroRelease()
names._pyroRelease()
