"""What becomes of the settings of Pyro4 and Pyro5."""

from __future__ import annotations

from typing import Final, NamedTuple

from pyro_protocol import Configuration

__all__ = ["Removed", "changed_defaults", "is_item", "refusal_of", "removed_item"]


class Removed(NamedTuple):
    """An item that is not here.

    Attributes:
        harmless: values that ask for what happens here anyway; None for all values.
        advice: what to do about any other value.
    """

    harmless: tuple[object, ...] | None
    advice: str


_NO_MATTER: Final = Removed(None, "leave it out")
_REMOVED: Final = {
    "AUTOPROXY": Removed(
        (True,), "registered objects always travel as proxies; pass copies instead"
    ),
    "DILL_PROTOCOL_VERSION": _NO_MATTER,
    "DOTTEDNAMES": Removed(
        (False,), "give the object methods for what was reached through dots"
    ),
    "FLAME_ENABLED": Removed(
        (False,),
        "remote access to modules is not offered: expose what is needed as methods",
    ),
    "HMAC_KEY": Removed(
        ("", None), "use TLS (config.SSL), or Daemon(authenticate=...)"
    ),
    "JSON_MODULE": _NO_MATTER,
    "METADATA": Removed((True,), "clients always get metadata; leave it out"),
    "ONEWAY_THREADED": Removed(
        (True,), "oneway calls never hold up their caller's connection; leave it out"
    ),
    "PICKLE_PROTOCOL_VERSION": _NO_MATTER,
    "REQUIRE_EXPOSE": Removed(
        (True,),
        "only what is marked with @expose can be called: mark the classes whose "
        "objects are registered, or name the members: register(obj, expose=[...])",
    ),
    "USE_MSG_WAITALL": _NO_MATTER,
}
# Defaults of both where ours are others and a program can notice.
_DEFAULTS: Final[dict[str, dict[str, object]]] = {
    "Pyro4": {
        "MAX_MESSAGE_SIZE": 0,
        "PREFER_IP_VERSION": 4,
        "SERIALIZER": "serpent",
        "SERIALIZERS_ACCEPTED": ["serpent", "marshal", "json"],
        "SOCK_NODELAY": False,
        "THREADPOOL_SIZE": 40,
    },
    "Pyro5": {
        "LOGFILE": "pyro5.log",
        "SERIALIZER": "serpent",
        "SERIALIZERS_ACCEPTED": ["serpent", "marshal", "json", "msgpack"],
        "SOCK_NODELAY": False,
    },
}


def is_item(name: str) -> bool:
    """Return whether there is an item of this name."""
    return name in Configuration.defaults()


def removed_item(name: str) -> Removed | None:
    """Return what to do about an item that is not here."""
    return _REMOVED.get(name)


def refusal_of(name: str, value: object) -> str | None:
    """Return why an item cannot be set to a value; None if it can."""
    try:
        setattr(Configuration(use_environment=False), name, value)
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def changed_defaults(family: str) -> dict[str, tuple[object, object]]:
    """Return the items whose defaults are others here: theirs, and ours."""
    ours = Configuration.defaults()
    return {item: (value, ours[item]) for item, value in _DEFAULTS[family].items()}
