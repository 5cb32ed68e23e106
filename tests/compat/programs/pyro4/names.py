"""A name server: names, metadata, and the URIs that stand for them."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN003, ANN201, ANN204
# ruff: noqa: I002, PLR0915, PTH118
# mypy: ignore-errors

import os
import tempfile
import threading

import Pyro4
import Pyro4.core
import Pyro4.naming
from Pyro4.errors import NamingError


@Pyro4.expose
class Printer:
    def __init__(self, colour):
        self._colour = colour

    def colour(self):
        return self._colour


class Laser(Printer):
    pass


def failing(what):
    try:
        return what()
    except Exception as error:
        return type(error).__name__


def serve(**how):
    uri, daemon, broadcast = Pyro4.naming.startNS(host="localhost", port=0, **how)
    thread = threading.Thread(target=daemon.requestLoop, daemon=True)
    thread.start()
    return uri, daemon, broadcast


def main():
    uri, daemon, broadcast = serve()
    print(uri.object, uri.host, broadcast)
    Pyro4.config.NS_HOST = uri.host
    Pyro4.config.NS_PORT = uri.port

    printers = Pyro4.Daemon()
    threading.Thread(target=printers.requestLoop, daemon=True).start()
    red, blue = (printers.register(Printer(one), one) for one in ("red", "blue"))

    names = Pyro4.locateNS()
    print(isinstance(names, Pyro4.core.Proxy), names._pyroUri == uri)
    print(names.count(), names.ping(), list(names.list()))
    names.register("office.red", red)
    names.register("office.blue", str(blue), metadata={"laser", "a4"})
    names.register("hall", blue, metadata=["a4"])
    print(
        names.lookup("office.red") == red, isinstance(names.lookup("hall"), Pyro4.URI)
    )
    print(failing(lambda: names.lookup("cellar")))
    print(failing(lambda: names.register("hall", red, safe=True)))
    print(failing(lambda: names.register("hall", "rubbish")))
    found, tags = names.lookup("office.blue", return_metadata=True)
    print(found == blue, sorted(tags))
    print(sorted(names.list(prefix="office.")), sorted(names.list(regex=r".*\.blue")))
    print(sorted(names.list(metadata_all={"a4", "laser"})))
    print(sorted(names.list(metadata_any={"laser", "inkjet"})))
    everything = names.list(return_metadata=True)
    for name in sorted(everything):
        place, tags = everything[name]
        print(name, isinstance(place, str), sorted(tags))
    print(failing(lambda: names.list(prefix="a", regex="b")))
    print(failing(lambda: names.list(regex="(")))
    names.set_metadata("hall", ["a3"])
    print(sorted(names.list(metadata_all=["a3"])), names.list(metadata_all=["nothing"]))

    with Pyro4.Proxy("PYRONAME:office.red") as printer:
        print(printer.colour())
        print(printer._pyroUri.protocol, printer._pyroBind(), printer._pyroUri.protocol)
    with Pyro4.Proxy("PYROMETA:a4,laser") as printer:
        print(printer.colour())
    with Pyro4.Proxy(f"PYRONAME:hall@{uri.host}:{uri.port}") as printer:
        print(printer.colour())
    print(Pyro4.resolve("PYRONAME:hall") == blue, Pyro4.naming.resolve(red) == red)
    print(failing(lambda: Pyro4.resolve("PYRONAME:attic")))
    print(failing(lambda: Pyro4.Proxy("PYROMETA:attic").colour()))

    kinds = Pyro4.naming.type_meta(Laser)
    print(sorted(kind.rpartition(".")[2] for kind in kinds))
    print(kinds == Pyro4.naming.type_meta(Laser("x")))

    batch = Pyro4.batch(names)
    batch.lookup("hall")
    batch.count()
    print([str(one) == str(blue) or one for one in batch()])

    print(names.remove("hall"), names.remove("hall"), names.remove(prefix="office."))
    print(names.count(), names.remove("Pyro.NameServer"))
    daemon.nameserver.register("inside", red)
    print(names.lookup("inside") == red)
    names._pyroRelease()
    daemon.shutdown()
    try:
        Pyro4.locateNS(uri.host, uri.port)
    except NamingError:
        print("gone")

    with tempfile.TemporaryDirectory() as folder:
        storage = "sql:" + os.path.join(folder, "names.db")
        for turn in range(2):
            uri, daemon, _ = serve(storage=storage)
            with Pyro4.locateNS(uri.host, uri.port) as names:
                print(turn, sorted(names.list()))
                names.register("kept", red, metadata={"tag"})
                print(sorted(names.list(metadata_any={"tag"})))
            daemon.shutdown()
    printers.shutdown()


main()
