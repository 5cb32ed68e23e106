"""TLS with certificates of both sides; the files are named on the command line."""

# A program as its users write them, for Pyro5.
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN202, I002

import sys
import threading

import Pyro5.api
import Pyro5.errors

server_cert, server_key, client_cert, client_key, authorities = sys.argv[1:]
config = Pyro5.api.config
config.SSL = True
config.SSL_REQUIRECLIENTCERT = True
config.SSL_SERVERCERT, config.SSL_SERVERKEY = server_cert, server_key
config.SSL_CLIENTCERT, config.SSL_CLIENTKEY = client_cert, client_key
config.SSL_CACERTS = authorities


def common_name(certificate):
    return [
        value
        for part in certificate["subject"]
        for key, value in part
        if key == "commonName"
    ]


class Checking(Pyro5.api.Daemon):
    def validateHandshake(self, conn, data):
        print("the client is", common_name(conn.getpeercert()))
        return "hello"


class Checked(Pyro5.api.Proxy):
    def _pyroValidateHandshake(self, response):
        print("the server is", common_name(self._pyroConnection.getpeercert()))


@Pyro5.api.expose
class Service:
    def who(self):
        certificate = Pyro5.api.current_context.client.getpeercert()
        return common_name(certificate)


with Checking() as daemon:
    threading.Thread(target=daemon.requestLoop, daemon=True).start()
    uri = daemon.register(Service())
    with Checked(uri) as proxy:
        print(proxy.who())
    print(len(daemon.objectsById))
