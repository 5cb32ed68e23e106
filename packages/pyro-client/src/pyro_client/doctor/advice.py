"""What to do about each cause that the doctor knows, in plain words."""

from __future__ import annotations

from typing import Final

from .causes import FIREWALL, LOGS, Advice
from .network_advice import NETWORK_ADVICE
from .server_advice import SERVER_ADVICE

__all__ = ["Advice", "advice_for", "known_causes"]

_ADVICE: Final = NETWORK_ADVICE | SERVER_ADVICE
_ANYTHING: Final = Advice("The message is the system's own.", (FIREWALL, LOGS))


def advice_for(cause: str, part: str = "") -> Advice:
    """Return what is known about a cause.

    Args:
        cause: the word for it.
        part: what was examined; some causes mean something else for a name server.
    """
    found = _ADVICE.get(f"{cause}@{part}") or _ADVICE.get(cause)
    return _ANYTHING if found is None else found


def known_causes() -> frozenset[str]:
    """Return the words for which there is advice of their own."""
    return frozenset(cause.partition("@")[0] for cause in _ADVICE)
