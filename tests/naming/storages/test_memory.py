from __future__ import annotations

from pyro_naming import MemoryStorage, Registration


def test_nothing_is_kept_after_closing() -> None:
    storage = MemoryStorage()
    storage.put("name", Registration("PYRO:a@h:1"))
    storage.close()
    assert len(storage) == 0


def test_what_was_found_does_not_change_later() -> None:
    storage = MemoryStorage()
    storage.put("name", Registration("PYRO:a@h:1"))
    found = storage.find()
    storage.remove(["name"])
    assert found == {"name": Registration("PYRO:a@h:1")}
