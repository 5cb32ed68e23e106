"""Types of modules that take long to import, and that many programs never use.

A value of such a type exists only where its module has been imported. So what the
formats do with it is noted with the names of module and class, and entered into their
tables when the module is found to be there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

__all__ = ["add_late_forms", "learn_late_types"]

_Form = Callable[[Any], object]
_Table = dict[type, _Form]

# By the name of the module: the table, the name of the class, and its form.
_awaited: Final[dict[str, list[tuple[_Table, str, _Form]]]] = {}


def add_late_forms(forms: _Table, late: dict[str, _Form]) -> None:
    """Note what a table of forms will have for types whose modules come later.

    Args:
        forms: the table, by type.
        late: what becomes of the types, by module and class, as in ``"uuid.UUID"``.
    """
    for name, form in late.items():
        module, _dot, class_name = name.rpartition(".")
        _awaited.setdefault(module, []).append((forms, class_name, form))


def learn_late_types() -> bool:
    """Enter the forms of types whose modules are there by now; whether any is new."""
    # Quickly, since this is asked for each object that is not in a table.
    if _awaited.keys().isdisjoint(sys.modules.keys()):
        return False
    learned = False
    for name in list(_awaited):
        module = sys.modules.get(name)
        if module is None:
            continue
        entries = _awaited.get(name, ())
        # While it is being imported there may be no class yet, and so no value.
        if all(hasattr(module, class_name) for _forms, class_name, _form in entries):
            for forms, class_name, form in entries:
                forms[getattr(module, class_name)] = form
            _awaited.pop(name, None)
            learned = True
    return learned
