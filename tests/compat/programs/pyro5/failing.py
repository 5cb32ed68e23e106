"""Failures: exceptions with remote tracebacks, timeouts, retries, lost lines."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204, I002

import sys
import threading

import Pyro5.api
import Pyro5.errors


class OwnError(Exception):
    pass


def own_to_dict(error):
    return {"__class__": "failing.OwnError", "text": error.args[0]}


Pyro5.api.register_class_to_dict(OwnError, own_to_dict)
Pyro5.api.register_dict_to_class(
    "failing.OwnError", lambda name, values: OwnError(values["text"])
)


@Pyro5.api.expose
class Service:
    def __init__(self):
        self.calls = 0
        self.go_on = threading.Event()

    def fail(self, kind):
        error = {
            "value": ValueError("wrong", 3),
            "key": KeyError("k"),
            "naming": Pyro5.errors.NamingError("own words"),
        }[kind]
        error.extra = {"more": [1, 2]}
        raise error

    def own(self):
        return OwnError("as a result")

    def wait(self):
        self.calls += 1
        if self.calls < 3:
            self.go_on.wait(60)
        return self.calls

    def fine(self):
        return "fine"

    def deep(self, most):
        return self.deep(most - 1) if most else [].pop()


def remote_lines(error):
    text = "".join(
        Pyro5.errors.get_pyro_traceback(type(error), error, error.__traceback__)
    )
    return "in deep" in text, "IndexError" in text, text.count("remote_lines")


service = Service()
daemon = Pyro5.api.Daemon()
thread = threading.Thread(target=daemon.requestLoop, daemon=True)
thread.start()
uri = daemon.register(service, "service")
proxy = Pyro5.api.Proxy(uri)
for kind in ("value", "key", "naming"):
    try:
        proxy.fail(kind)
    except (ValueError, KeyError, Pyro5.errors.PyroError) as error:
        print(
            type(error).__name__,
            error.args,
            error.extra,
            isinstance(error._pyroTraceback, (list, tuple)),
        )
print(type(proxy.own()).__name__, proxy.own().args)
try:
    proxy.deep(3)
except IndexError as error:
    print(remote_lines(error))
    print(any("in deep" in line for line in error._pyroTraceback))
    written = []
    sys.stderr, before = (
        type("Writer", (), {"write": written.append, "flush": lambda self: None})(),
        sys.stderr,
    )
    Pyro5.errors.excepthook(type(error), error, error.__traceback__)
    sys.stderr = before
    print("in deep" in "".join(written))
Pyro5.api.config.DETAILED_TRACEBACK = True
print(
    issubclass(Pyro5.errors.TimeoutError, Pyro5.errors.CommunicationError),
    issubclass(Pyro5.errors.SerializeError, Pyro5.errors.ProtocolError),
)
proxy._pyroTimeout = 0.8
print(proxy._pyroTimeout)
try:
    proxy.wait()
except Pyro5.errors.TimeoutError:
    print("took too long")
proxy._pyroMaxRetries = 2
print(proxy.wait(), service.calls)
service.go_on.set()
proxy._pyroMaxRetries = 0
proxy._pyroTimeout = None
print(proxy.fine())
print(not Pyro5.api.Proxy(uri)._pyroTimeout, Pyro5.api.Proxy(uri)._pyroMaxRetries)
Pyro5.api.config.COMMTIMEOUT = 12.5
Pyro5.api.config.MAX_RETRIES = 3
other = Pyro5.api.Proxy(uri)
print(other._pyroTimeout, other._pyroMaxRetries)
Pyro5.api.config.COMMTIMEOUT = 0.0
Pyro5.api.config.MAX_RETRIES = 0
proxy._pyroReconnect()
print(proxy.fine(), proxy._pyroBind())
proxy._pyroRelease()
print(proxy._pyroConnection, proxy._pyroBind(), proxy.fine())
port = uri.port
proxy._pyroRelease()
daemon.shutdown()
thread.join(60)
for call in (proxy.fine, lambda: proxy._pyroReconnect(tries=1)):
    try:
        print(call())
    except Pyro5.errors.CommunicationError as error:
        print("not there:", isinstance(error, Pyro5.errors.PyroError))
with Pyro5.api.Daemon(port=port) as daemon:
    thread = threading.Thread(target=daemon.requestLoop, daemon=True)
    thread.start()
    daemon.register(service, "service", force=True)
    proxy._pyroReconnect(tries=5)
    print(proxy.fine())
    try:
        Pyro5.api.Proxy(daemon.uriFor("nobody")).anything()
    except Pyro5.errors.PyroError as error:
        print("no object:", "rejected" in str(error) or "unknown object" in str(error))
    daemon.shutdown()
