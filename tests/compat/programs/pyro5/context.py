"""Context: annotations, correlation ids, handshakes, and what clients leave."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, ANN204, I002

import threading
import uuid

import Pyro5.api
import Pyro5.errors


class Resource:
    def __init__(self, name):
        self.name = name

    def close(self):
        closed.append(self.name)
        if len(closed) == 2:
            gone.set()


closed, gone, left = [], threading.Event(), threading.Event()
kept = []


@Pyro5.api.expose
class Service:
    def annotations(self):
        context = Pyro5.api.current_context
        context.response_annotations = {"ANSW": b"answer"}
        return sorted(
            (key, bytes(value).decode())
            for key, value in context.annotations.items()
            if key == "ASKS"
        )

    def about(self):
        context = Pyro5.api.current_context
        host, port = context.client_sock_addr
        return [
            host,
            port == context.client.sock.getpeername()[1],
            context.serializer_id,
            context.seq,
            context.msg_flags,
        ]

    def correlation(self):
        return str(Pyro5.api.current_context.correlation_id)

    def nested(self):
        with Pyro5.api.Proxy(self._other) as other:
            return [
                self.correlation() == other.correlation(),
                str(Pyro5.api.current_context.correlation_id),
            ]

    def track(self, name, untrack=False):
        resource = Resource(name)
        kept.append(resource)
        Pyro5.api.current_context.track_resource(resource)
        if untrack:
            Pyro5.api.current_context.untrack_resource(resource)

    def in_thread(self):
        values = []
        known = Pyro5.api.current_context.to_global()

        def work():
            Pyro5.api.current_context.from_global(known)
            values.append(str(Pyro5.api.current_context.correlation_id))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return values == [str(Pyro5.api.current_context.correlation_id)]


class Guarded(Pyro5.api.Daemon):
    def validateHandshake(self, conn, data):
        print("handshake:", data, conn.sock.getpeername()[0])
        if data == "wrong":
            raise ValueError("that is wrong")
        return ["welcome", data]

    def clientDisconnect(self, conn):
        left.set()

    def annotations(self):
        return {"ALWA": b"always"}


class Checking(Pyro5.api.Proxy):
    def _pyroValidateHandshake(self, response):
        print("the server says:", response)


with Guarded() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    service = Service()
    uri = daemon.register(service, "service")
    Service._other = daemon.register(Service())
    proxy = Checking(uri)
    proxy._pyroHandshake = {"user": "anna"}
    Pyro5.api.current_context.annotations = {"ASKS": b"question"}
    print(proxy.annotations())
    answer = Pyro5.api.current_context.response_annotations
    print(
        sorted(
            (key, bytes(answer[key]).decode())
            for key in answer
            if key in {"ANSW", "ALWA"}
        )
    )
    Pyro5.api.current_context.annotations = {}
    print(proxy.annotations())
    print(proxy.about(), proxy._pyroSeq)
    Pyro5.api.current_context.correlation_id = uuid.UUID(int=77)
    print(proxy.correlation(), proxy.nested(), proxy.in_thread())
    Pyro5.api.current_context.correlation_id = None
    print(uuid.UUID(proxy.correlation()).version in (1, 4))
    proxy.track("one")
    proxy.track("two")
    proxy.track("untracked", untrack=True)
    left.clear()
    proxy._pyroRelease()
    gone.wait(60), left.wait(60)
    print(sorted(closed))
    try:
        Pyro5.api.current_context.track_resource(Resource("nobody's"))
    except Pyro5.errors.PyroError as error:
        print("no client:", type(error).__name__)
    wrong = Checking(uri)
    wrong._pyroHandshake = "wrong"
    try:
        wrong.about()
    except Pyro5.errors.CommunicationError as error:
        print("refused:", "that is wrong" in str(error))
