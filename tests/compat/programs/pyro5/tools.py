"""The tools as modules: the echo server, the gateway, serve, and names of Pyro4."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN002, ANN003, ANN201, ANN202, ANN204, I002

import io
import json
import threading
import time
from contextlib import redirect_stdout

import Pyro5.api
import Pyro5.server
from Pyro5.compatibility import Pyro4
from Pyro5.utils import echoserver, httpgateway

uri, name_server_daemon, _ = Pyro5.api.start_ns(port=0)
threading.Thread(target=name_server_daemon.requestLoop, daemon=True).start()
Pyro5.api.config.NS_PORT = uri.port


class Thing:
    def __repr__(self):
        return "<thing>"

    @Pyro5.api.expose
    def hello(self, name="nobody"):
        return "hello " + name


def masked(text, *places):
    for number, place in enumerate(places):
        text = text.replace(place, f"PLACE{number}")
    return text


def stop_when_served(daemon):
    # Once it is registered, the call is answered as soon as the loop runs.
    while "served.thing" not in name_server_daemon.nameserver.list():
        time.sleep(0.01)
    with Pyro5.api.Proxy("PYRONAME:served.thing") as thing:
        thing.hello()
    daemon.shutdown()


for how in (Pyro5.api.serve, Pyro5.server.Daemon.serveSimple):
    daemon = Pyro5.api.Daemon()
    written = io.StringIO()
    with redirect_stdout(written):
        threading.Thread(target=stop_when_served, args=[daemon]).start()
        how({Thing(): "served.thing"}, daemon=daemon, verbose=True)
    object_id = name_server_daemon.nameserver.list()["served.thing"].partition("@")[0]
    name_server_daemon.nameserver.remove("served.thing")
    print(masked(written.getvalue(), object_id, daemon.locationStr))

daemon = Pyro5.api.Daemon()
threading.Thread(target=daemon.requestLoop, daemon=True).start()
echo_uri = daemon.register(echoserver.EchoServer(), "test.echoserver")
name_server_daemon.nameserver.register("test.echoserver", echo_uri)
name_server_daemon.nameserver.register("http.thing", daemon.register(Thing()))
with Pyro5.api.Proxy("PYRONAME:test.echoserver") as echo:
    print(
        echo.echo([1, "two"]),
        list(echo.generator()),
        echo.nan(),
        echo.inf(),
        echo.verbose,
    )
    print(echo.oneway_echo("x"), sorted(echo._pyroMethods), sorted(echo._pyroOneway))
    for name in ("error", "error_with_text"):
        try:
            getattr(echo, name)()
        except Exception as error:
            print(type(error).__name__)


def get(path, query="", **headers):
    answer = {}

    def start_response(status, fields, exc_info=None):
        answer["status"] = status

    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
        **headers,
    }
    body = b"".join(
        bytes(part) for part in httpgateway.pyro_app(environ, start_response)
    )
    return answer["status"].split()[0], body


print(httpgateway.pyro_app.ns_regex)
print(get("/pyro/http.thing/hello"), get("/pyro/http.thing/hello", "name=gateway"))
status, body = get("/pyro/http.thing/$meta")
print(status, json.loads(body)["methods"])
print(get("/pyro/test.echoserver/echo", "message=1")[0], get("/elsewhere")[0])
httpgateway.pyro_app.gateway_key = b"secret"
print(
    get("/pyro/http.thing/hello")[0] in ("401", "403"),
    get("/pyro/http.thing/hello", "$key=secret")[0],
)
print(get("/pyro/http.thing/hello", HTTP_X_PYRO_GATEWAY_KEY="secret")[0])
Pyro5.api.config.SERIALIZER = "serpent"

names = Pyro4.locateNS()
print(names.lookup("http.thing") == Pyro4.resolve("PYRONAME:http.thing"))
with Pyro4.Proxy("PYRONAME:http.thing") as thing:
    print(thing.hello("Pyro4"))
    batch = Pyro4.batch(thing)
    batch.hello("in a batch")
    print(list(batch()))
print(
    Pyro4.constants.NAMESERVER_NAME,
    Pyro4.config.asDict()["NS_HOST"],
    Pyro4.errors is not None,
)
print(
    Pyro4.util.getPyroTraceback is not None, Pyro4.socketutil.getIpAddress("127.0.0.1")
)
try:
    Pyro4.locateNS(hmac_key=b"key")
except NotImplementedError:
    print("no keys")
daemon.shutdown()
name_server_daemon.shutdown()
