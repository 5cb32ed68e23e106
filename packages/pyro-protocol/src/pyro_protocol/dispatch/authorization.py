"""Refusing calls whose callers lack what the members demand of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.roles import unmet
from ..errors import SecurityError
from .details import Access, access_of

if TYPE_CHECKING:
    from ..contract import Requirements
    from ..contract.roles import Demand
    from .calls import Call
    from .client import ClientConnection

__all__ = ["check_roles", "refusal"]


def check_roles(
    client: ClientConnection, requirements: Requirements, call: Call
) -> None:
    """Refuse a call unless its caller has the roles for it.

    Of a batch only what all its calls need is checked here; each of them is checked
    when it comes to it.

    Raises:
        SecurityError: it has not.
    """
    access, name, _args = access_of(call)
    demand: Demand = requirements.common
    if not call.batch:
        table = {
            "call": requirements.methods,
            "read": requirements.reading,
            "write": requirements.writing,
        }[access]
        demand = table.get(name, demand)
    identity = client.identity
    missing = unmet(demand, None if identity is None else identity.roles)
    if missing is not None:
        raise refusal(client, access, call.object_id, name, _needed(missing))


def refusal(
    client: ClientConnection, access: Access, object_id: str, name: str, why: str = ""
) -> SecurityError:
    """Return the error of a caller that may not do what it has asked for.

    Args:
        client: who asked.
        access: what was to be done.
        object_id: the object.
        name: the member.
        why: what is missing, if the caller may know.
    """
    identity = client.identity
    who = "a client without an identity" if identity is None else repr(identity.name)
    reason = f": {why}" if why else ""
    return SecurityError(f"{who} may not {access} {object_id}.{name}{reason}")


def _needed(roles: frozenset[str]) -> str:
    names = ", ".join(map(repr, sorted(roles)))
    if not names:
        return "only clients that are authenticated may"
    if len(roles) == 1:
        return f"it needs the role {names}"
    return f"it needs one of the roles {names}"
