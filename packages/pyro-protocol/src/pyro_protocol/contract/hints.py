"""Annotations as the objects they name, as far as that can be found out."""

from __future__ import annotations

import logging
import sys
import typing
from typing import TYPE_CHECKING, Any

from .lookup import own_annotations

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["hints_of"]

_logger = logging.getLogger("pyro.contract")


def hints_of(target: Any) -> dict[str, Any]:
    """Return the annotations of a function or class that can be resolved.

    Those that cannot, such as a name that is imported for type checking only, are left
    out, which is logged at the level debug.
    """
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception as error:  # noqa: BLE001 - an annotation may be anything
        _logger.debug("cannot resolve all annotations of %r: %s", target, error)
    hints: dict[str, Any] = {}
    for part in reversed(target.__mro__) if isinstance(target, type) else (target,):
        hints.update(_single_hints(part))
    return hints


def _single_hints(target: Any) -> Iterator[tuple[str, Any]]:
    # Some parts of builtin classes are in no module.
    module = getattr(target, "__module__", None) or typing.__name__
    names = vars(sys.modules.get(module, typing))
    for name, annotation in own_annotations(target).items():

        def holder() -> None: ...

        holder.__annotations__ = {name: annotation}
        try:
            hints = typing.get_type_hints(holder, names, include_extras=True)
        except Exception as error:  # noqa: BLE001 - an annotation may be anything
            _logger.debug("cannot resolve annotation %r: %s", annotation, error)
        else:
            yield from hints.items()
