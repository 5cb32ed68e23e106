"""The command line of ``pyro-ns``."""

from __future__ import annotations

import argparse
from typing import Final

__all__ = ["ns_parser"]

_EPILOG: Final = """\
storages:
  sql:FILE         an SQLite file; one that Pyro5 has written can be used as it is
  dbm:FILE         a dbm file, as of Pyro4
  redis://HOST     a Redis server, which several name servers may share
                   (pip install 'pyro-naming[redis]')
  etcd://HOST      etcd, likewise (pip install 'pyro-naming[etcd]')
  memory           forgotten when the name server ends
  Without -s names are kept in a file of yours that belongs to the port; the name server
  says which. With port 0 they are kept in memory.

examples:
  %(prog)s                              for this machine only
  %(prog)s -n 192.168.1.5               for the local network
  %(prog)s -n 0.0.0.0 --zeroconf        for all networks, found by mDNS too
  %(prog)s -u /run/pyro-ns.sock         on a Unix socket
  %(prog)s -s sql:names.sqlite          names in a file of your choice
  %(prog)s -s memory                    names forgotten at the end
  %(prog)s --autoclean 30               forgets servers that cannot be reached

  Several name servers that know the same names, for machines that may fail:
    on a:       %(prog)s -n a -s redis://engine
    on b:       %(prog)s -n b -s redis://engine
    clients:    PYRO_NS_HOST=a,b

  Only for those who have a token, or a certificate, as the file says:
    %(prog)s -n 0.0.0.0 --access access.toml
    clients:    PYRO_NS_TOKEN=...
  Encrypted:
    PYRO_SSL=1 PYRO_SSL_SERVERCERT=ns.pem PYRO_SSL_SERVERKEY=ns.key %(prog)s -n 0.0.0.0
    clients:    PYRO_SSL=1 PYRO_SSL_CACERTS=ca.pem

leases:
  A name that is registered with a ttl is forgotten if it is not renewed within that
  time. Daemons of pyro-server do all of it for the names that they announce.

pyro-nsc shows what is registered. It ends at Ctrl-C, or when it gets SIGTERM, with
status 0; with 1 if it cannot start, and 2 for a wrong command line.
"""


def ns_parser(prog: str = "pyro-ns") -> argparse.ArgumentParser:
    """Return what reads the command line, and explains it."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Runs a Pyro name server: it tells programs where objects are.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("-n", "--host", help="host to listen on (default: HOST, localhost)")
    add("-p", "--port", type=int, help="port; 0 for any (default: NS_PORT, 9090)")
    add(
        "-u",
        "--unixsocket",
        metavar="PATH",
        help="path of a Unix socket to listen on instead",
    )
    add(
        "-s",
        "--storage",
        help="where to keep names: memory, sql:FILE, dbm:FILE, redis://..., "
        "etcd://... (default: a file of yours, see below)",
    )
    _add_finding(parser.add_argument_group("being found"))
    _add_rules(parser.add_argument_group("who may do what, and for how long"))
    return parser


def _add_finding(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--bchost", help="host to listen for broadcasts on (default: all)")
    add("--bcport", type=int, help="port of broadcasts; 0 for any (default: 9091)")
    add("-x", "--nobc", action="store_true", help="do not answer broadcasts")
    add(
        "--zeroconf",
        action="store_true",
        help="announce it by mDNS too (pip install 'pyro-naming[zeroconf]')",
    )
    add("--nathost", help="external host, behind address translation")
    add("--natport", type=int, help="external port, behind address translation")


def _add_rules(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--access",
        metavar="FILE",
        help="the TOML file that says who may look up, register and remove what "
        "(default: NS_ACCESS, everybody everything)",
    )
    add(
        "--plain-clients",
        choices=["all", "unowned", "read"],
        help="what requests that name no owner may change, as those of Pyro5: all, "
        "also what others own; unowned, what nobody owns; read, nothing (default: "
        "NS_PLAIN_CLIENTS, unowned)",
    )
    add(
        "--autoclean",
        type=float,
        metavar="SECONDS",
        help="how often to look for servers that are gone, and forget their names; at "
        "least 3, 0 for never (default: NS_AUTOCLEAN, 0)",
    )
