"""Metadata that a server derives from its classes."""

from __future__ import annotations

import inspect

__all__ = ["type_meta"]


def type_meta(class_or_object: object, prefix: str = "class:") -> set[str]:
    """Return a tag for each class that an object, or a class, is an instance of.

    Registered with a name, they let clients search for anything that is a
    ``shop.Printer``, whatever its own class. The builtins are left out.

    Args:
        class_or_object: the class, or an object of it.
        prefix: what each tag begins with; the class's full name follows.
    """
    clazz = (
        class_or_object if inspect.isclass(class_or_object) else type(class_or_object)
    )
    return {
        f"{prefix}{base.__module__}.{base.__name__}"
        for base in inspect.getmro(clazz)
        if base.__module__ != "builtins"
    }
