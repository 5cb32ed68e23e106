"""Names: a name server in the program, registering, finding, and URIs that look up."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN204, I002

import tempfile
import threading

import Pyro5.api
import Pyro5.errors

uri, name_server_daemon, broadcast = Pyro5.api.start_ns(port=0)
threading.Thread(target=name_server_daemon.requestLoop, daemon=True).start()
Pyro5.api.config.NS_PORT = uri.port
print(uri.protocol, uri.object, uri.host, broadcast)


class Device:
    pass


@Pyro5.api.expose
class Printer(Device):
    def __init__(self, model):
        self._model = model

    def model(self):
        return self._model


def failing(call, *args, **kwargs):
    try:
        print("no error:", call(*args, **kwargs))
    except Exception as error:
        print("error:", type(error).__name__)


with Pyro5.api.Daemon() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    names = Pyro5.api.locate_ns()
    print(names.count(), sorted(names.list()))
    laser, ink = Printer("laser"), Printer("ink")
    laser_uri = daemon.register(laser)
    ink_uri = daemon.register(ink, "ink-printer")
    names.register(
        "office.laser",
        laser_uri,
        metadata={"printer", "fast"} | Pyro5.api.type_meta(laser),
    )
    names.register("office.ink", str(ink_uri), metadata=["printer", "colour"])
    names.register("home.ink", ink_uri)
    print(sorted(Pyro5.api.type_meta(Printer, prefix="kind:")))
    print(
        names.lookup("office.ink") == ink_uri, type(names.lookup("office.ink")).__name__
    )
    found, tags = names.lookup("office.laser", return_metadata=True)
    print(found == laser_uri, sorted(tags))
    print(sorted(names.list(prefix="office.")), sorted(names.list(regex=".*ink")))
    print(sorted(names.yplookup(meta_all={"printer", "fast"})))
    print(sorted(names.yplookup(meta_any=["fast", "colour"], return_metadata=False)))
    print(
        {
            name: sorted(value[1])
            for name, value in names.yplookup(meta_all=["colour"]).items()
        }
    )
    names.set_metadata("office.ink", {"printer"})
    print(sorted(names.lookup("office.ink", return_metadata=True)[1]))
    failing(names.register, "office.ink", ink_uri, safe=True)
    failing(names.lookup, "unknown.name")
    failing(names.list, prefix="a", regex="b")
    failing(names.list, regex="((")
    failing(names.register, "bad", "no uri")
    failing(names.register, 12, ink_uri)
    failing(names.set_metadata, "unknown.name", {"x"})
    failing(names.yplookup, meta_all=["a"], meta_any=["b"])
    with Pyro5.api.Proxy("PYRONAME:office.laser") as proxy:
        print(proxy.model(), proxy._pyroUri.protocol)
        proxy._pyroBind()
        print(proxy._pyroUri.protocol)
    with Pyro5.api.Proxy("PYROMETA:printer,fast") as proxy:
        print(proxy.model())
    with Pyro5.api.Proxy(f"PYRONAME:office.ink@localhost:{uri.port}") as proxy:
        print(proxy.model())
    print(Pyro5.api.resolve("PYRONAME:home.ink") == ink_uri)
    print(Pyro5.api.resolve(ink_uri) == ink_uri)
    failing(Pyro5.api.resolve, "PYRONAME:unknown.name")
    failing(Pyro5.api.resolve, "PYROMETA:unknown-tag")
    print(name_server_daemon.nameserver.count(), names.remove("home.ink"))
    print(
        names.remove(prefix="office."),
        names.remove(regex="none"),
        names.remove("Pyro.NameServer"),
    )
    print(names.count(), names.ping())
    names._pyroRelease()
for text in (
    "PYRO:thing@host:4444",
    "pyroname:some.name",
    "PYRONAME:n@host",
    "PYRO:u@./u:/tmp/sock",
):
    parsed = Pyro5.api.URI(text)
    print(parsed.protocol, parsed.object, parsed.sockname, parsed.host)
print(sorted(Pyro5.api.URI("PYROMETA:b,a").object))
failing(Pyro5.api.URI, "PYRO:without")
failing(Pyro5.api.URI, 12)
print(
    Pyro5.api.URI("PYRO:a@b:1") == Pyro5.api.URI("PYRO:a@b:1"),
    str(Pyro5.api.URI("PYRO:a@[::1]:1")),
)
name_server_daemon.shutdown()
Pyro5.api.config.NS_AUTOCLEAN = 1
failing(Pyro5.api.start_ns, port=0)
Pyro5.api.config.NS_AUTOCLEAN = 3
_, cleaning, _ = Pyro5.api.start_ns(port=0)
print(cleaning.nameserver.count())
cleaning.close()
Pyro5.api.config.NS_AUTOCLEAN = 0
failing(Pyro5.api.start_ns, port=0, storage="unknown")
with tempfile.TemporaryDirectory() as folder:
    for _ in range(2):
        _, keeping, _ = Pyro5.api.start_ns(port=0, storage=f"sql:{folder}/names.sqlite")
        print(sorted(keeping.nameserver.list()))
        keeping.nameserver.register("kept", "PYRO:a@b:1", metadata=["tag"])
        keeping.close()
