"""What a proxy has to know about a remote object when a call of it has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pyro_protocol.errors import CommunicationError
from pyro_protocol.frozen import Frozen

if TYPE_CHECKING:
    from .binding import Binding

__all__ = ["ObjectFacts", "facts_about", "facts_in"]

_DAEMON_NAME: Final = "Pyro.Daemon"


class ObjectFacts(Frozen):
    """What the server's description says about an object.

    Attributes:
        idempotent: names of the methods that do no harm when they are run twice.
        per_connection: whether each connection has an instance of its own.
    """

    idempotent: frozenset[str] = frozenset()
    per_connection: bool = False


def facts_about(binding: Binding) -> ObjectFacts:
    """Return what is known about the object of a binding; ask the server if needed.

    Nothing is known of an object whose server does not tell, such as Pyro5's.

    Raises:
        CommunicationError: the server could not be asked.
    """
    facts = binding.facts
    if facts is None:
        channel = binding.connect()
        try:
            description = channel.call(
                _DAEMON_NAME, "get_description", (binding.object_id,), {}
            )
        except CommunicationError:
            raise
        except Exception:  # noqa: BLE001 - the server may answer with any exception
            description = None
        facts = binding.facts = facts_in(description)
    return facts


def facts_in(description: Any) -> ObjectFacts:
    """Return the facts in a description, as far as it has the documented form."""
    if not isinstance(description, dict):
        return ObjectFacts()
    methods = description.get("methods")
    names = {
        method["name"]
        for method in (methods if isinstance(methods, list) else ())
        if isinstance(method, dict)
        and method.get("idempotent") is True
        and isinstance(method.get("name"), str)
    }
    return ObjectFacts(frozenset(names), description.get("instance_mode") == "session")
