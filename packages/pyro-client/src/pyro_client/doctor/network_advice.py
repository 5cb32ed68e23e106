"""What to do about what stands between a URI and a connection."""

from __future__ import annotations

from typing import Final

from .causes import DAEMON_HOST, FIREWALL, LOGS, NAT, Advice

__all__ = ["NETWORK_ADVICE"]

_LISTEN: Final = (
    "if it runs on another machine, have it listen on an address that this one can "
    f"reach: {DAEMON_HOST}"
)
_LISTEN_NS: Final = (
    "if it runs on another machine, have it listen on an address that this one can "
    "reach: pyro-ns --host ADDRESS (localhost is the default)"
)

NETWORK_ADVICE: Final[dict[str, Advice]] = {
    "malformed-uri": Advice(
        "The text is no URI.",
        (
            "write PYRO:object@host:port, PYRONAME:name or PYROMETA:tag,tag",
            "for a name server itself, host:port is enough",
        ),
    ),
    "bad-setting": Advice(
        "A setting cannot be used; most come from PYRO_* environment variables.",
        ("correct it, or unset the variable",),
    ),
    "tls-files": Advice(
        "SSL is on, and a certificate or key cannot be read.",
        (
            (
                "check the paths in SSL_CACERTS, SSL_CLIENTCERT and SSL_CLIENTKEY, who "
                "may read them, and SSL_CLIENTKEYPASSWD"
            ),
        ),
    ),
    "serializer-missing": Advice(
        "The configured serializer does not exist, or its library is not installed.",
        ("set SERIALIZER to auto, or install what the message names",),
    ),
    "no-name-server": Advice(
        "No name server answers where it was looked for.",
        (
            "start one: pyro-ns",
            (
                "if it runs on another machine, say where: PYRO_NS_HOST and "
                "PYRO_NS_PORT, or @host:port in the URI; a name server on localhost is "
                "visible on its own machine only: pyro-ns --host ADDRESS"
            ),
            (
                "broadcasts do not cross routers, and firewalls often block them "
                "(UDP port NS_BCPORT)"
            ),
        ),
    ),
    "unknown-name": Advice(
        "The name server is there, and knows no such name.",
        (
            "check the spelling; pyro-nsc list shows all names",
            (
                "make sure that the server runs and has registered its object, at this "
                "name server and not at another"
            ),
        ),
    ),
    "bad-registration": Advice(
        "What is registered does not lead to an object.",
        ("register the object anew, with the URI that its daemon returned",),
    ),
    "name-server-refuses": Advice(
        "What answers there does not do what a name server does.",
        ("check that this is a name server, and not another daemon", LOGS),
    ),
    "unknown-host": Advice(
        "This machine does not know that host name.",
        (
            "check the spelling",
            (
                "if another machine knows it, this one asks another DNS server, or "
                "lacks a line in its hosts file"
            ),
            (
                "if the URI was registered by a server: it published a name that only "
                "its own network knows; start it with an address as its host"
            ),
        ),
    ),
    "name-is-loopback": Advice(
        "This machine takes the name for its own (127.x.x.x), most often by a line in "
        "its hosts file. A server here that listens on this name cannot be reached by "
        "other machines.",
        (
            (
                "if the server is to be reached by others, have it listen on an "
                f"address: {DAEMON_HOST}"
            ),
            "if the server is another machine, correct the hosts file here",
        ),
    ),
    "resolver-failed": Advice(
        "The DNS server did not answer.",
        ("check this machine's network and DNS settings", "use an address instead"),
    ),
    "resolver-slow": Advice(
        "The DNS server takes its time; a program would wait longer.",
        ("check this machine's network and DNS settings", "use an address instead"),
    ),
    "wrong-family": Advice(
        "IPv4 and IPv6 do not fit together: the host has no address of the IP version "
        "that is configured here.",
        ("set PREFER_IP_VERSION to the other version, or to 0 for either",),
    ),
    "other-family": Advice(
        "IPv4 and IPv6 do not fit together: the server listens with the IP version "
        "that is ruled out here.",
        (
            "set PREFER_IP_VERSION to 0 or to the other version here",
            "or have the server listen on an address of this version",
        ),
    ),
    "refused": Advice(
        "The machine is there, and no server listens at this port on this address.",
        (
            (
                "check that the server runs, and that the port is right; a port that "
                "the system chose changes with each start"
            ),
            _LISTEN,
            "if the URI came from a name server, it may be of a server that has gone",
            NAT,
        ),
    ),
    "refused@name server": Advice(
        "The machine is there, and no name server listens at this port on this "
        "address.",
        (
            "start one there: pyro-ns; check the port (NS_PORT, 9090 by default)",
            _LISTEN_NS,
            NAT,
        ),
    ),
    "refused-localhost": Advice(
        "localhost is this machine, and no server listens at this port here.",
        (
            (
                "if the server runs on another machine, it listens on localhost only "
                "and published that in its URI; have it listen on an address that this "
                f"one can reach: {DAEMON_HOST}"
            ),
            (
                "if it is to run here, check that it does, and that the port is right; "
                "a port that the system chose changes with each start"
            ),
        ),
    ),
    "refused-localhost@name server": Advice(
        "localhost is this machine, and no name server listens at this port here.",
        (
            "start one: pyro-ns; check the port (NS_PORT, 9090 by default)",
            (
                "if it runs on another machine, say where: PYRO_NS_HOST and "
                "PYRO_NS_PORT, or @host:port in the URI"
            ),
        ),
    ),
    "timed-out": Advice(
        "Nothing comes back, not even a refusal. Most often a firewall drops the "
        "packets, or the address is not one that this machine can reach.",
        (
            FIREWALL,
            (
                "check that the address is that of a network interface which can be "
                "reached from here: can you ping it?"
            ),
            NAT,
            "a server that is overloaded takes no more connections either",
        ),
    ),
    "no-route": Advice(
        "This machine knows no way to that address.",
        (
            "check the network: VPN, routes, and whether this machine has IPv6 at all",
            (
                "if the URI came from a server, it published an address of an inner "
                "network; start it with a host that can be reached from here"
            ),
            NAT,
        ),
    ),
    "forbidden": Advice(
        "This machine's own firewall or sandbox forbids the connection.",
        (FIREWALL,),
    ),
    "one-family-only": Advice(
        "The host has addresses of both IP versions, and the server listens with one "
        "of them; each connection tries the other in vain.",
        ("set PREFER_IP_VERSION to the version that works",),
    ),
    "address-dead": Advice(
        "One of the host's addresses does not work; clients may try it first.",
        ("correct the DNS entry of the host",),
    ),
    "no-socket": Advice(
        "There is no Unix socket of that name.",
        (
            "check the path, and that the server runs",
            "a Unix socket is visible on its own machine, in its own container, only",
        ),
    ),
    "not-a-socket": Advice(
        "The path is that of something else than a socket.", ("check the path",)
    ),
    "socket-abandoned": Advice(
        "The socket was left behind by a server that has ended, or its queue is full.",
        ("start the server again",),
    ),
    "socket-forbidden": Advice(
        "This user may not use the socket; the server made it for its own user only.",
        (
            (
                "run this program as the server's user, or change the permissions of "
                "the socket and its folder"
            ),
        ),
    ),
}
