"""Who may change what: owners, access rules, and clients that say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from pyro_protocol.context import call_state
from pyro_protocol.errors import NamingError, SecurityError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyro_protocol.dispatch import ClientConnection, Identity

    from .storages import Registration

__all__ = ["Access", "Claim", "Rights"]


class Access(Protocol):
    """What decides who may do what; `AccessRules` is one."""

    def authenticate(self, client: ClientConnection, handshake: Any) -> Identity | None:
        """Return who a client is; None if it does not say.

        Raises:
            SecurityError: it may not connect.
        """

    def allows(self, identity: Identity | None, operation: str, name: str) -> bool:
        """Tell whether a client may do something with a name.

        Args:
            identity: who the client is; None if that is not known.
            operation: ``lookup``, ``register``, ``remove`` or ``force``.
            name: the name.
        """

    def may_see_all(self, identity: Identity | None) -> bool:
        """Tell whether a client may look up every name."""


class Claim(NamedTuple):
    """In whose name a request is made.

    Attributes:
        owner: that name; empty if it is nobody's.
        force: whether what others hold is to be changed as well.
        identity: who the client is, if that was found out.
        foreign: whether the owner is somebody else than the client.
    """

    owner: str
    force: bool
    identity: Identity | None
    foreign: bool = False


# Most requests are made in nobody's name.
_NOBODYS: Final = Claim("", force=False, identity=None)


class Rights:
    """Decides what a request may change and see.

    Args:
        plain: what requests without an owner may change: ``all``, ``unowned`` (what
            nobody owns) or ``read`` (nothing).
        access: the rules for clients; None if there are none.
        trusting: whether the requests are the program's own, to which neither
            applies. What others own needs force from it too.
    """

    def __init__(
        self,
        plain: str = "unowned",
        access: Access | None = None,
        *,
        trusting: bool = False,
    ) -> None:
        self._plain = "unowned" if trusting and plain == "read" else plain
        self.access: Access | None = None if trusting else access
        self._trusting = trusting

    def claim(self, owner: str, force: bool) -> Claim:
        """Find out in whose name the request in hand is made.

        Args:
            owner: whom the request names; empty if nobody.
            force: whether it asks to change what others hold.

        Raises:
            SecurityError: it may not be made in that name, or not without one.
        """
        remote, identity = (False, None) if self._trusting else caller()
        if identity is not None:
            foreign = bool(owner) and owner != identity.name
            if foreign and not force:
                raise SecurityError(
                    f"{identity.name} cannot act in the name of {owner}; leave out "
                    "the owner"
                )
            return Claim(owner or identity.name, force, identity, foreign)
        if owner:
            if remote and self.access is not None:
                # Or anybody could pass for a client that has to authenticate.
                raise SecurityError(
                    f"only {owner} can act in that name, and has to authenticate: "
                    "with NS_TOKEN, or a certificate"
                )
        elif remote and self._plain == "read":
            raise SecurityError(
                "requests without an owner cannot change anything at this name server "
                "(NS_PLAIN_CLIENTS is 'read')"
            )
        return Claim(owner, force, None) if owner or force else _NOBODYS

    def check(self, claim: Claim, operation: str, name: str) -> None:
        """Refuse what the rules do not allow.

        Args:
            claim: in whose name it is asked for.
            operation: ``register`` or ``remove``.
            name: the name.

        Raises:
            SecurityError: it is not allowed.
        """
        if self.access is not None and not self.allows(claim, operation, name):
            raise SecurityError(f"{_who(claim)} may not {operation} name {name!r}")
        if claim.foreign and not self.allows(claim, "force", name):
            raise SecurityError(
                f"{_who(claim)} cannot act in the name of {claim.owner}; leave out "
                "the owner"
            )

    def allows(self, claim: Claim, operation: str, name: str) -> bool:
        """Tell whether the rules allow something; see `Access.allows`."""
        access = self.access
        return access is None or access.allows(claim.identity, operation, name)

    def sees(self, name: str) -> bool:
        """Tell whether the request in hand may look a name up."""
        view = self.view()
        return view is None or view(name)

    def view(self, *, lasting: bool = False) -> Callable[[str], bool] | None:
        """Return what tells whether the request in hand may look a name up.

        None means that it may look up all.

        Args:
            lasting: whether it is to be asked for longer than the request takes; the
                rules may change meanwhile.
        """
        access = self.access
        if access is None:
            return None
        remote, identity = caller()
        if not remote or (not lasting and access.may_see_all(identity)):
            return None
        return lambda name: access.allows(identity, "lookup", name)

    def may_change(self, claim: Claim, name: str, known: Registration) -> bool:
        """Tell whether what is registered may be changed, as for its owner.

        Args:
            claim: in whose name it is asked for.
            name: the name.
            known: what is registered under it, not expired.
        """
        return (
            not known.owner
            or known.owner == claim.owner
            or (not claim.owner and self._plain == "all")
            or (claim.force and self.allows(claim, "force", name))
        )

    def check_holder(self, claim: Claim, name: str, known: Registration) -> None:
        """Refuse to change what somebody else holds; see `may_change`.

        Raises:
            NamingError: it is held by somebody else.
            SecurityError: force was asked for, which the rules do not allow.
        """
        if self.may_change(claim, name, known):
            return
        if claim.force:
            raise SecurityError(
                f"name {name!r} is held by {known.owner}, and {_who(claim)} may not "
                "force changes of it"
            )
        raise NamingError(
            f"name {name!r} is held by {known.owner}; use force to replace it"
        )


def caller() -> tuple[bool, Identity | None]:
    """Tell whether a client makes the call in hand, and who it is if that is known."""
    state = call_state.get()
    if state is None or state.client is None:
        return False, None
    return True, state.client.identity


def _who(claim: Claim) -> str:
    return "an unknown client" if claim.identity is None else claim.identity.name
