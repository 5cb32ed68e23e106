"""A server for the program asking.py: it prints where it is, and what it is asked."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, ANN204, I002

import threading

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
class Part:
    def name(self):
        return "part"


@Pyro5.api.expose
class Service:
    def __init__(self):
        self._level = 1

    def echo(self, value):
        return value

    def mirrored(self, point):
        print("mirroring", point.x, point.y)
        return Point(point.y, point.x)

    def part(self):
        part = Part()
        self._pyroDaemon.register(part)
        return part

    def fail(self, kind):
        raise {"value": ValueError, "naming": Pyro5.errors.NamingError}[kind](
            "as asked"
        )

    def numbers(self, most):
        yield from range(most)

    def call_back(self, callback, number):
        print("calling back", type(callback).__name__)
        result = callback.twice(number)
        try:
            callback.fail()
        except Pyro5.errors.DaemonError as error:
            print("from the callback:", error)
        return result

    def context(self):
        context = Pyro5.api.current_context
        context.response_annotations = {"ANSW": b"answer"}
        return [
            str(context.correlation_id),
            bytes(context.annotations["ASKS"]).decode(),
        ]

    def blob(self, blob):
        return [blob.info, repr(blob.deserialized())]

    @property
    def level(self):
        return self._level

    @level.setter
    def level(self, value):
        self._level = value

    @Pyro5.api.oneway
    def note(self, text):
        print("noted", text)
        noted.set()

    def was_noted(self):
        return noted.wait(60)

    @Pyro5.api.oneway
    def stop(self):
        threading.Thread(target=daemon.shutdown).start()


class Greeting(Pyro5.api.Daemon):
    def validateHandshake(self, conn, data):
        print("handshake", data)
        return "welcome"


noted = threading.Event()
names_uri, names, _ = Pyro5.api.start_ns("127.0.0.1", 0)
threading.Thread(target=names.requestLoop, daemon=True).start()
daemon = Greeting("127.0.0.1")
names.nameserver.register("the.service", daemon.register(Service()), metadata={"tag"})
print(f"PYRONAME:the.service@127.0.0.1:{names_uri.port}", flush=True)
daemon.requestLoop()
names.shutdown()
print("served")
