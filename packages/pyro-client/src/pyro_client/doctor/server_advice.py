"""What to do about what a server says, or does not say, once it is connected to."""

from __future__ import annotations

from typing import Final

from .causes import DAEMON_HOST, LOGS, Advice

__all__ = ["SERVER_ADVICE"]

_CLIENT_CERTIFICATE: Final = (
    "name a certificate that the server trusts: SSL_CLIENTCERT and SSL_CLIENTKEY",
    "the server has to know its authority: SSL_CACERTS there",
)

SERVER_ADVICE: Final[dict[str, Advice]] = {
    "no-tls": Advice(
        "This program is configured to use TLS, and the server does not speak it.",
        (
            (
                "turn TLS on at the server (SSL, SSL_SERVERCERT, SSL_SERVERKEY), or "
                "off here (PYRO_SSL=0)"
            ),
            "check that the port is that of the Pyro server",
        ),
    ),
    "tls-expected": Advice(
        "The server speaks TLS, and this program does not.",
        (
            (
                "set SSL here (PYRO_SSL=1), and SSL_CACERTS to the server's authority "
                "if it is one of your own"
            ),
        ),
    ),
    "unknown-authority": Advice(
        "Nobody whom this program trusts vouches for the server's certificate; one of "
        "your own making has to be named.",
        (
            (
                "set SSL_CACERTS to the authority's certificate, or to the server's if "
                "it is self-signed"
            ),
            "if the certificate should be known, somebody else may be answering",
        ),
    ),
    "wrong-host-name": Advice(
        "The certificate is for another host than the one in the URI.",
        (
            (
                "use the name in the certificate in the URI; the server publishes it "
                "if that is its host or NATHOST"
            ),
            "or make a certificate with this name or address (subjectAltName)",
        ),
    ),
    "expired": Advice(
        "The server's certificate is no longer valid.",
        ("renew it and restart the server", "check the clock of this machine"),
    ),
    "not-yet-valid": Advice(
        "The server's certificate is not valid yet.",
        ("check the clocks of this machine and of the one that made it",),
    ),
    "unverified": Advice(
        "The server's certificate did not pass a check.",
        ("check it with: openssl s_client -connect host:port -showcerts",),
    ),
    "client-certificate-required": Advice(
        "The server most likely wants a certificate of the client.",
        _CLIENT_CERTIFICATE,
    ),
    "client-certificate-refused": Advice(
        "The server most likely does not accept this client's certificate.",
        _CLIENT_CERTIFICATE,
    ),
    "no-common-tls": Advice(
        "The two sides have no TLS version, or no cipher, in common.",
        ("update the older side",),
    ),
    "tls-silent": Advice(
        "Whatever listens there says nothing to a TLS handshake: it speaks no TLS, or "
        "hangs.",
        ("check the port, and whether TLS is on at the server", LOGS),
    ),
    "tls-closed": Advice(
        "The server ended the connection during the TLS handshake: it speaks no TLS, "
        "or refuses this client.",
        ("check whether TLS is on at the server", *_CLIENT_CERTIFICATE),
    ),
    "not-pyro": Advice(
        "Something answers, and it is no Pyro server.",
        ("check the port: another program listens there",),
    ),
    "silent": Advice(
        "Something takes the connection and says nothing. It is another program, or a "
        "Pyro server that hangs or is full.",
        (
            "check the port",
            (
                "see whether the server is busy: all its threads may be in use "
                "(THREADPOOL_SIZE)"
            ),
            LOGS,
        ),
    ),
    "closed": Advice(
        "The connection is ended without a word. Pyro5 does so if it does not know the "
        "serializer; so do proxies and port forwarders whose target is not there.",
        (
            "use the default serializer: SERIALIZER=auto",
            "see whether the server has all the clients it takes (MAX_CONNECTIONS)",
            (
                "if there is a NAT router, a tunnel or a container port in between, "
                "check where it leads to"
            ),
            LOGS,
        ),
    ),
    "older-pyro": Advice(
        "The server is Pyro4 or older; Pyro5 and this program speak another protocol.",
        ("update the server to Pyro5 or pyro-server, or call it with Pyro4",),
    ),
    "other-version": Advice(
        "The server speaks another version of the Pyro protocol.",
        ("use the same Pyro generation on both sides",),
    ),
    "malformed-answer": Advice(
        "It calls itself Pyro, and its messages break the protocol.",
        ("check what is between: a proxy may change the bytes", LOGS),
    ),
    "refused-by-server": Advice(
        "The server has turned this client away; the words are its own.",
        (
            (
                "if it wants a token or password, give the handshake value: "
                "--handshake here, proxy._pyroHandshake in a program"
            ),
            LOGS,
        ),
    ),
    "refused-by-server@name server": Advice(
        "The name server has turned this client away; the words are its own.",
        (
            (
                "if it wants a token, set PYRO_NS_TOKEN; whoever runs the name server "
                "has the file that says who is known"
            ),
            (
                "without TLS the token is shown only to name servers that "
                "PYRO_NS_HOST or the URI names"
            ),
            LOGS,
        ),
    ),
    "server-full": Advice(
        "The server has no room for another client now.",
        (
            (
                "try again later, end idle clients, or raise THREADPOOL_SIZE or "
                "MAX_CONNECTIONS at the server"
            ),
        ),
    ),
    "serializer-refused": Advice(
        "The two sides do not agree on a serializer.",
        (
            "use SERIALIZER=auto here",
            "or add the serializer to SERIALIZERS_ACCEPTED at the server",
        ),
    ),
    "unknown-object": Advice(
        "The daemon is there, and has no object of that id.",
        (
            "check the spelling; ids that a daemon made up change with each start",
            "give the object an id of its own, or a name in a name server",
        ),
    ),
    "exposes-nothing": Advice(
        "The object is there, and none of its methods may be called.",
        ("mark the class, or its methods, with @expose at the server",),
    ),
    "stalled": Advice(
        "The server has begun to talk, and does not go on.",
        ("see whether it is busy, stopped or out of memory", LOGS),
    ),
    "call-failed": Advice(
        "The connection works, and the daemon's own object cannot be called; whether "
        "yours can be is another question.",
        ("it may need more rights than this client has", LOGS),
    ),
    "localhost-registered": Advice(
        "The name server is on another machine, and the object is registered with a "
        "URI on localhost, which is another machine for each who reads it.",
        (f"start the daemon with the address of its machine: {DAEMON_HOST}",),
    ),
    "unspecified-registered": Advice(
        "0.0.0.0 and :: mean all addresses of a machine when listening; nobody else "
        "can connect to them.",
        (
            (
                "publish an address: Daemon(host=ADDRESS), or NATHOST besides the host "
                "that is listened on"
            ),
        ),
    ),
    "published-elsewhere": Advice(
        "The daemon was reached at another location than it publishes (NAT, a tunnel, "
        "or a forwarded port). URIs and proxies that it hands out lead to the other.",
        ("set NATHOST and NATPORT of the daemon to the location that clients use",),
    ),
}
