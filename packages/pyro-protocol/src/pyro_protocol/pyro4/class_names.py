"""The names of classes on the wire: those of Pyro5 that we write, as Pyro4's, and back.

What is made of a name is decided where it is decided for all peers: in the
serializers. Here the same dictionaries get other names, and a proxy gets the fields
that it has in Pyro4 (spec: pyro4-and-3, section 1).
"""

from __future__ import annotations

from typing import Any, Final

from ..errors import SerializeError
from ..serializers.exception_names import PYRO_PREFIX
from ..serializers.wire_classes import CLASS_KEY

__all__ = ["PYRO4_ERRORS", "own_form", "pyro4_form"]

PYRO4_ERRORS: Final = "Pyro4.errors."
"""What the names of Pyro4's own errors begin with."""

_REFERENCE: Final = "Pyro5.client.Proxy"
_TO_PYRO4: Final = {
    "Pyro5.core.URI": "Pyro4.core.URI",
    _REFERENCE: "Pyro4.core.Proxy",
    "Pyro5.core._ExceptionWrapper": "Pyro4.futures._ExceptionWrapper",
}
_TO_OWN: Final = {theirs: own for own, theirs in _TO_PYRO4.items()}
_FIELDS: Final = 9


def pyro4_form(form: dict[str, Any]) -> dict[str, Any]:
    """Return a class dictionary that we write as Pyro4 reads it.

    Args:
        form: the dictionary with the names of Pyro5; it stays as it is.
    """
    name = form[CLASS_KEY]
    if name.startswith(PYRO_PREFIX):
        return {**form, CLASS_KEY: PYRO4_ERRORS + name.removeprefix(PYRO_PREFIX)}
    theirs = _TO_PYRO4.get(name)
    if theirs is None:
        return form
    result = {**form, CLASS_KEY: theirs}
    if name == _REFERENCE:
        uri, oneway, methods, attributes, handshake, serializer = form["state"][:6]
        # In between: the timeout, the HMAC key and the retries, which are the
        # receiver's own affair.
        result["state"] = (
            uri, oneway, methods, attributes, 0.0, None, handshake, 0, serializer,
        )  # fmt: skip
    return result


def own_form(form: dict[Any, Any], name: str) -> dict[Any, Any]:
    """Return a class dictionary that Pyro4 has written as we read it.

    Args:
        form: the dictionary as it came; it stays as it is.
        name: the name of its class.

    Raises:
        SerializeError: a proxy has too many fields, or too few.
    """
    if name.startswith(PYRO4_ERRORS):
        return {**form, CLASS_KEY: PYRO_PREFIX + name.removeprefix(PYRO4_ERRORS)}
    own = _TO_OWN.get(name)
    if own is None:
        return form
    result = {**form, CLASS_KEY: own}
    if own == _REFERENCE:
        state = form.get("state")
        if not isinstance(state, list | tuple) or len(state) != _FIELDS:
            raise SerializeError(
                "malformed reference; its state must be 9 values, as Pyro4 sends it"
            )
        # The key of another program is none of ours, and must not be kept.
        uri, oneway, methods, attributes, _timeout, _key, handshake, _retries, name = (
            state
        )
        result["state"] = (uri, oneway, methods, attributes, handshake, name)
    return result
