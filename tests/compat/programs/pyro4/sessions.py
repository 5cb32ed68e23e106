"""Instances, the context of a call, annotations, and the hooks of a daemon."""

# A program as its users write them, for Pyro4.
# ruff: noqa: ANN001, ANN201, ANN202, ANN204
# ruff: noqa: I002
# mypy: ignore-errors

import threading
import uuid

import Pyro4

lines = []
gone = threading.Event()


class Resource:
    def close(self):
        lines.append("resource closed")


def create(clazz):
    return clazz("made specially")


class Counting:
    def __init__(self):
        self.calls = 0

    @Pyro4.expose
    def call(self):
        self.calls += 1
        return self.calls


@Pyro4.behavior(instance_mode="session")
class Session(Counting):
    pass


@Pyro4.behavior(instance_mode="single")
class Single(Counting):
    pass


@Pyro4.behavior(instance_mode="percall")
class PerCall(Counting):
    pass


@Pyro4.behavior(instance_mode="single", instance_creator=create)
@Pyro4.expose
class Special:
    def __init__(self, how):
        self.how = how

    def made(self):
        return self.how


@Pyro4.expose
class Context:
    def address(self):
        context = Pyro4.current_context
        host, port = context.client_sock_addr[:2]
        return host == context.client.sock.getpeername()[0], isinstance(port, int)

    def numbers(self):
        context = Pyro4.current_context
        return context.seq > 0, context.msg_flags & 1, context.serializer_id

    def annotations(self):
        found = Pyro4.current_context.annotations
        return sorted(
            (key, bytes(found[key]).decode()) for key in found if key != "CORR"
        )

    def correlation(self):
        return str(Pyro4.current_context.correlation_id)

    def nested(self):
        with Pyro4.Proxy(self._pyroDaemon.uriFor(self)) as proxy:
            return proxy.correlation()

    def answer(self):
        Pyro4.current_context.response_annotations = {"ANSW": b"from the method"}
        return "answered"

    def track(self):
        self.resource = Resource()
        Pyro4.current_context.track_resource(self.resource)


class Guarded(Pyro4.Daemon):
    def validateHandshake(self, conn, data):
        if data == "let me in":
            return ["welcome", data]
        raise ValueError("wrong word")

    def clientDisconnect(self, conn):
        lines.append("client has gone")
        gone.set()

    def annotations(self):
        return {"DMON": b"daemon"}


class Checking(Pyro4.Proxy):
    def _pyroValidateHandshake(self, response):
        lines.append(response)


class Annotating(Pyro4.Proxy):
    def _pyroAnnotations(self):
        return {"PRXY": b"proxy"}

    def _pyroResponseAnnotations(self, annotations, msgtype):
        if "ANSW" in annotations:
            lines.append((sorted(set(annotations) - {"CORR"}), msgtype))


def main():
    daemon = Pyro4.Daemon()
    modes = [daemon.register(one) for one in (Session, Single, PerCall)]
    special = daemon.register(Special)
    context = daemon.register(Context())
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    for uri in modes:
        with Pyro4.Proxy(uri) as first, Pyro4.Proxy(uri) as second:
            print(first.call(), first.call(), second.call())
    with Pyro4.Proxy(special) as proxy:
        print(proxy.made())

    with Pyro4.Proxy(context) as proxy:
        print(proxy.address(), proxy.numbers())
        Pyro4.current_context.annotations = {"NOTE": b"from the client"}
        print(proxy.annotations(), proxy.annotations())
        print(proxy.answer())
        found = Pyro4.current_context.response_annotations
        print(bytes(found["ANSW"]))
        number = uuid.uuid4()
        Pyro4.current_context.correlation_id = number
        print(proxy.correlation() == str(number), proxy.nested() == str(number))
        Pyro4.current_context.correlation_id = None
    with Annotating(context) as proxy:
        print(proxy.annotations(), proxy.answer())
    print(lines)
    lines.clear()
    daemon.shutdown()

    guarded = Guarded()
    uri = guarded.register(Context())
    threading.Thread(target=guarded.requestLoop, daemon=True).start()
    with Pyro4.Proxy(uri) as proxy:
        try:
            proxy.address()
        except Pyro4.errors.CommunicationError as error:
            print("wrong word" in str(error))
    with Checking(uri) as proxy:
        proxy._pyroHandshake = "let me in"
        proxy.track()
        print([list(one) for one in lines], proxy._pyroHandshake)
        lines.clear()
        print(bytes(Pyro4.current_context.response_annotations["DMON"]))
    print(gone.wait(60))
    guarded.shutdown()
    print(sorted(lines))


main()
