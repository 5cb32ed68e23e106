"""What tools find in proxies and methods: signatures, docstrings, and nothing else.

The work is done in `signatures`, which is imported only when it is needed.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from functools import partial

__all__ = [
    "explain_method",
    "explained_by",
    "is_completing",
    "method_docstring",
    "proxy_docstring",
]

C = TypeVar("C", bound=type)

_COMPLETERS: Final = frozenset({"jedi.inference.compiled.access", "rlcompleter"})


class _RemoteDocstring:
    """The docstring of a class, of whose objects the server knows what they are.

    Args:
        own: the docstring of the class.
        explain: gives that of an object, if the server tells.
    """

    def __init__(self, own: str | None, explain: Callable[[Any], str | None]) -> None:
        self._own = own
        self._explain = explain

    def __get__(self, instance: Any, owner: type | None = None) -> str | None:
        return self._own if instance is None else self._explain(instance)


def explained_by(explain: Callable[[Any], str | None]) -> Callable[[C], C]:
    """Give the objects of the decorated class the docstrings of a function.

    The class keeps the one that it has.
    """

    def decorate(clazz: C) -> C:
        clazz.__doc__ = _RemoteDocstring(clazz.__doc__, explain)  # type: ignore[assignment] # a descriptor, which gives text
        return clazz

    return decorate


def method_docstring(method: partial[Any]) -> str | None:
    """Return the docstring of a remote method, or None if the server does not tell.

    For `help` it begins with the signature, which that does not show of objects that
    are no functions.
    """
    text: str | None
    if _asking_module(2) == "pydoc":
        text = _signatures().help_text(method)
    else:
        text = _signatures().docstring(method)
    return text


def proxy_docstring(proxy: Any) -> str | None:
    """Return what a remote object is and offers, for people.

    What the class of the proxy says, if the proxy is not connected, since tools ask for
    this of any object they come across, or if the server does not tell.
    """
    binding = vars(proxy).get("_pyro_binding")
    text: str | None = None
    if binding is not None and binding.connected:
        text = _signatures().overview(binding)
    return type(proxy).__doc__ if text is None else text


def explain_method(method: partial[Any], attribute: str) -> Any:
    """Return an attribute of a remote method that functions have.

    Raises:
        AttributeError: it has no such attribute.
    """
    if attribute in ("__name__", "__qualname__"):
        return method.args[0].rpartition(".")[2]
    if attribute == "__signature__":
        return _signatures().signature(method)
    raise AttributeError(attribute, name=attribute, obj=method)


def is_completing() -> bool:
    """Whether the caller was called to complete a name, by Python or by jedi.

    They read every attribute only to find out what it is.
    """
    return _asking_module(2) in _COMPLETERS


def _asking_module(depth: int) -> str | None:
    """Return what module called the function so many calls above the caller."""
    # Such callers have no other mark.
    return sys._getframe(depth + 1).f_globals.get("__name__")  # noqa: SLF001


def _signatures() -> Any:
    return import_module(".signatures", __package__)
