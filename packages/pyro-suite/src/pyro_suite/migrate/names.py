"""The documented names of Pyro4 and Pyro5, and what they are called here."""

from __future__ import annotations

from typing import Final, NamedTuple

from pyro_protocol import errors

__all__ = [
    "FAMILIES",
    "OURS",
    "Meaning",
    "advice_for_missing",
    "meaning_of",
    "own_path",
    "public_names",
]

FAMILIES: Final = ("Pyro4", "Pyro5")
"""The packages whose programs are understood."""

OURS: Final = "pyro_suite"
"""What is imported instead of them."""

# What both have under the name that it has here.
_COMMON: Final = (
    "Daemon",
    "DaemonObject",
    "Proxy",
    "SerializedBlob",
    "URI",
    "behavior",
    "callback",
    "config",
    "current_context",
    "expose",
    "oneway",
    "resolve",
)
_ERRORS: Final = (
    "CommunicationError",
    "ConnectionClosedError",
    "DaemonError",
    "MessageTooLargeError",
    "NamingError",
    "ProtocolError",
    "PyroError",
    "SecurityError",
    "SerializeError",
    "TimeoutError",
)
_REGISTERING: Final = (
    "register_class_to_dict",
    "register_dict_to_class",
    "unregister_class_to_dict",
    "unregister_dict_to_class",
)
_CONSTANTS: Final = ("DAEMON_NAME", "NAMESERVER_NAME")


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _within_errors(*names: str) -> dict[str, str]:
    return {name: f"errors.{name}" for name in names}


_ROOT4: Final = {
    **_same(*_COMMON, "Future", "asyncproxy", "batch", "errors"),
    "async": "asyncproxy",
    "locateNS": "locate_ns",
    "__version__": "__version__",
}
_ROOT5: Final = {
    **_same(*_COMMON, *_REGISTERING, "BatchProxy", "locate_ns", "serve"),
    **_same("start_ns", "start_ns_loop", "type_meta"),
}
_SERIALIZER_BASE: Final = _same(*_REGISTERING)

# Names in each module, and what is at them in pyro_suite.
_MODULES: Final[dict[str, dict[str, str]]] = {
    "Pyro4": _ROOT4,
    "Pyro4.core": {**_ROOT4, **_same("DaemonObject", "SerializedBlob")},
    "Pyro4.naming": {
        **_same("resolve", "type_meta", "config"),
        "locateNS": "locate_ns",
        "startNS": "start_ns",
        "startNSloop": "start_ns_loop",
    },
    "Pyro4.errors": _within_errors(*_ERRORS),
    "Pyro4.futures": _same("Future", "FutureResult"),
    "Pyro4.constants": {
        **_same(*_CONSTANTS, "PROTOCOL_VERSION"),
        "VERSION": "__version__",
    },
    "Pyro4.util": {
        "getPyroTraceback": "errors.get_pyro_traceback",
        "excepthook": "errors.excepthook",
    },
    "Pyro4.util.SerializerBase": _SERIALIZER_BASE,
    "Pyro4.configuration": _same("config"),
    "Pyro4.utils": {},
    "Pyro4.utils.httpgateway": _same("pyro_app"),
    "Pyro5": {**_same("config", "errors"), "__version__": "__version__"},
    "Pyro5.api": {**_ROOT5, "__version__": "__version__"},
    "Pyro5.api.SerializerBase": _SERIALIZER_BASE,
    "Pyro5.client": _same(
        "BatchProxy", "Proxy", "SerializedBlob", "config", "current_context"
    ),
    "Pyro5.server": _same(
        "Daemon",
        "DaemonObject",
        "behavior",
        "callback",
        "config",
        "current_context",
        "expose",
        "oneway",
        "serve",
    ),
    "Pyro5.core": _same(
        *_CONSTANTS, "URI", "config", "locate_ns", "resolve", "type_meta"
    ),
    "Pyro5.callcontext": _same("current_context"),
    "Pyro5.nameserver": _same("start_ns", "start_ns_loop"),
    "Pyro5.errors": {
        **_within_errors(*_ERRORS, "excepthook", "get_pyro_traceback"),
    },
    "Pyro5.serializers": {},
    "Pyro5.serializers.SerializerBase": _SERIALIZER_BASE,
    "Pyro5.configure": _same("config"),
    "Pyro5.utils": {},
    "Pyro5.utils.httpgateway": _same("pyro_app"),
}
# Modules that stand for another place than the root of pyro_suite.
_PLACES: Final = {
    "Pyro4.errors": "errors",
    "Pyro5.errors": "errors",
    "Pyro5.config": "config",
}
# What belongs to a name and is called otherwise here.
_MEMBERS: Final = {"config.asDict": "config.as_dict"}

_MISSING: Final = {
    "Pyro4.utils.flame": (
        "remote access to modules is not offered, as whoever reaches it can do "
        "anything: expose the functions that are needed as methods of an object"
    ),
    "Pyro4.utils.flameserver": (
        "remote access to modules is not offered, as whoever reaches it can do "
        "anything: expose the functions that are needed as methods of an object"
    ),
    "Pyro4.constants.FLAME_NAME": "there is no flame; expose methods instead",
    "Pyro4.util.formatTraceback": "use pyro_suite.errors.get_pyro_traceback()",
    "Pyro5.errors.format_traceback": "use pyro_suite.errors.get_pyro_traceback()",
    "Pyro4.util.SerializerBase": "call the functions of pyro_suite directly",
    "Pyro4.naming.NameServerDaemon": "start it with pyro_suite.start_ns()",
    "Pyro4.naming.NameServer": "start it with pyro_suite.start_ns()",
    "Pyro4.naming.BroadcastServer": "pyro_suite.start_ns() starts it as well",
    "Pyro5.nameserver.NameServerDaemon": "start it with pyro_suite.start_ns()",
    "Pyro5.nameserver.NameServer": "start it with pyro_suite.start_ns()",
    "Pyro5.nameserver.BroadcastServer": "pyro_suite.start_ns() starts it as well",
    "Pyro4.socketutil": "use Python's socket; port 0 finds a free port",
    "Pyro5.socketutil": "use Python's socket; port 0 finds a free port",
    "Pyro4.message": "the wire is in pyro_protocol.wire and pyro_protocol.session",
    "Pyro5.protocol": "the wire is in pyro_protocol.wire and pyro_protocol.session",
    "Pyro4.socketserver": "choose with config.SERVERTYPE",
    "Pyro5.svr_threads": "choose with config.SERVERTYPE",
    "Pyro5.svr_multiplex": "choose with config.SERVERTYPE",
    "Pyro5.compatibility": (
        "replace it by the Pyro4 it stands for, and run pyro migrate again; or "
        "use pyro_suite.compat.pyro4"
    ),
    "Pyro4.test": "pyro-echoserver is the echo server",
    "Pyro5.utils.echoserver": "pyro-echoserver is the echo server",
    "Pyro4.nsc": "pyro-nsc is the tool, pyro_suite.locate_ns() the API",
    "Pyro5.nsc": "pyro-nsc is the tool, pyro_suite.locate_ns() the API",
}


class Meaning(NamedTuple):
    """What a dotted name of Pyro4 or Pyro5 is here.

    Attributes:
        path: where it is in ``pyro_suite``.
        parts: how many parts of the dotted name that stands for.
    """

    path: str
    parts: int


def meaning_of(parts: tuple[str, ...]) -> Meaning | None:
    """Return what a dotted name is here, its longest part that is known.

    None is returned for what is not here, and for modules alone. What is here
    already, in programs that were rewritten, means itself.
    """
    if parts[0] == OURS:
        return _own_meaning(parts)
    for count in range(len(parts), 1, -1):
        module, name = ".".join(parts[: count - 1]), parts[count - 1]
        if (path := _MODULES.get(module, {}).get(name)) is not None:
            if path == "errors" and len(parts) > count:
                # Only what is in it tells whether it is here.
                return None
            if count < len(parts):
                member = _MEMBERS.get(f"{path}.{parts[count]}")
                if member is not None:
                    return Meaning(member, count + 1)
            return Meaning(path, count)
    return None


def _own_meaning(parts: tuple[str, ...]) -> Meaning | None:
    if parts[1:2] == ("errors",) and len(parts) > 2:  # noqa: PLR2004 - as it is there
        return Meaning(".".join(parts[1:3]), 3) if hasattr(errors, parts[2]) else None
    return Meaning(parts[1], 2) if len(parts) > 1 else None


def own_path(module: str) -> str | None:
    """Return where in ``pyro_suite`` the names of a module are; empty for its root.

    None is returned for modules that are unknown or not here, and for what is no
    module.
    """
    if module in _PLACES:
        return _PLACES[module]
    return "" if _MODULES.get(module) else None


def public_names(module: str) -> dict[str, str]:
    """Return the names that a module has, and what is at them in ``pyro_suite``."""
    return dict(_MODULES.get(module, {}))


def advice_for_missing(parts: tuple[str, ...]) -> str:
    """Return what to do about a name that is not here."""
    for count in range(len(parts), 0, -1):
        if (advice := _MISSING.get(".".join(parts[:count]))) is not None:
            return advice
    family = parts[0].lower()
    return (
        f"find what it was used for in the guides, or run the program as it is with "
        f"python -m pyro_suite.compat.{family}"
    )
